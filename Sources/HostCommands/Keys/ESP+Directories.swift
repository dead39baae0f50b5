// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

extension ESP {
  /// Maximum depth of directories between a path and the root.
  private static let depthLimit = 64

  /// Whether `directory`, a path of the user, is on this ESP, or would be once it is created.
  ///
  /// Throws `HostError`.
  func contains(_ directory: String, in files: FileSystem, of host: Host) throws -> Bool {
    var path = directory
    while try files.status(of: path) == nil {
      guard path != "/", path != "." else { return false }
      path = PathName(path).directory
    }
    if let device, let partition = try host.files.status(of: device), let status = try files.status(of: path),
      status.isStored(on: partition)
    {
      return true
    }
    guard let root = try host.files.status(of: self.path), root.kind == .directory else { return false }
    var last: FileStatus?
    for _ in 0..<Self.depthLimit {
      guard let status = try files.status(of: path), last?.isSameFile(as: status) != true else { return false }
      if status.isSameFile(as: root) { return true }
      last = status
      path += "/.."
    }
    return false
  }
}
