// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem

extension ImageRecord {
  /// The record if the image is what these inputs give, with what stat(2) says brought up to date; nil if not.
  ///
  /// Nothing is opened as long as sizes, times and inodes are those recorded; otherwise digests decide.
  func stillHolds(for inputs: ApplyInputs, in files: FileSystem) throws -> ImageRecord? {
    guard kernel == inputs.kernel, commandLine == inputs.commandLine.text, self.inputs.map(\.path) == inputs.paths,
      let image = try files.linkStatus(of: path), image.kind == .regular, image.size == size
    else { return nil }
    var current = self
    for (index, record) in self.inputs.enumerated() {
      guard let status = try files.status(of: record.path) else { return nil }
      if record.matches(status) { continue }
      guard status.size == record.size else { return nil }
      let file = try files.openFile(record.path)
      guard try Digest.of(file) == record.digest else { return nil }
      try file.requireUnchanged()
      current.inputs[index] = InputRecord(path: record.path, status: file.status, digest: record.digest)
    }
    if !matches(image) {
      let file = try files.openFile(path)
      guard try Digest.of(file) == digest else { return nil }
      current.modified = file.status.modified
    }
    return current
  }
}
