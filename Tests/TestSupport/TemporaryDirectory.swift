// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
package import HostSystem
internal import Messages

/// A private directory for one test, removed with its content when the last reference is released.
package final class TemporaryDirectory: Sendable {
  /// Absolute path, without a slash at the end.
  package let path: String

  package init() throws {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/pve-sb-uki-test-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    guard let made else { throw HostError("create directory", parent, errno: errno) }
    path = made
  }

  deinit { try? Self.removeContent(of: path) }

  private static func removeContent(of directory: String) throws {
    chmod(directory, 0o700)
    let files = FileSystem()
    for name in try files.list(directory) ?? [] {
      let path = "\(directory)/\(name)"
      if try files.linkStatus(of: path)?.kind == .directory {
        try removeContent(of: path)
      } else {
        unlink(path)
      }
    }
    rmdir(directory)
  }

  /// A host with this directory as its root, a fixed clock and an empty environment.
  package func host(gate: @escaping Mutation.Gate = { _ in }) throws -> Host {
    var host = try Host(root: path, gate: gate)
    host.environment = { _ in nil }
    host.now = { 1_750_000_000 }
    host.programTime = nil
    host.kernelRelease = "6.1.0-test"
    host.hostName = "test-host"
    return host
  }

  /// The path of `name` in this directory for the test process.
  package func path(of name: String) -> String { name.hasPrefix("/") ? path + name : "\(path)/\(name)" }

  /// Writes a file and creates its parent directories.
  package func write(_ name: String, _ content: some Sequence<UInt8>, mode: UInt32 = 0o644) throws {
    let files = FileSystem()
    let target = path(of: name)
    try files.makeDirectory(PathName(target).directory)
    try files.replaceFile(target, mode: mode, content: Array(content))
  }

  package func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws {
    try write(name, text.utf8, mode: mode)
  }

  /// The content of a file, or nil if it does not exist.
  package func read(_ name: String) throws -> [UInt8]? {
    try FileSystem().readFileIfPresent(path(of: name), limit: 1 << 30)
  }

  /// The names in a directory, in byte order; empty if it does not exist.
  package func list(_ name: String) throws -> [String] { try FileSystem().list(path(of: name)) ?? [] }
}
