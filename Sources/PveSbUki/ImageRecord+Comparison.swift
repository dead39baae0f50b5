// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem

extension ImageRecord {
  /// The inputs as they are now if they would give this image again; nil if not.
  ///
  /// Nothing is opened as long as sizes, times and inodes are those recorded; otherwise digests decide.
  func inputsIfUnchanged(_ inputs: ApplyInputs, in files: FileSystem) throws -> [InputRecord]? {
    guard kernel == inputs.kernel, commandLine == inputs.commandLine.text, self.inputs.map(\.path) == inputs.paths
    else {
      return nil
    }
    var current = self.inputs
    for (index, record) in self.inputs.enumerated() {
      guard let status = try files.status(of: record.path) else { return nil }
      if record.matches(status) { continue }
      guard status.size == record.size else { return nil }
      let file = try files.openFile(record.path)
      guard try Digest.of(file) == record.digest else { return nil }
      try file.requireUnchanged()
      current[index] = InputRecord(path: record.path, status: file.status, digest: record.digest)
    }
    return current
  }
}
