// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// A directory of its own for a test, gone with the value.
package final class ScratchDirectory {
  package let path: String

  package init() throws {
    var template = Array("/tmp/pve-sb-uki-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw ExternalTool.Failure(description: "no temporary directory: \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = try? ExternalTool("rm").run(["-rf", path]) }

  /// The path of a file in the directory.
  package func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file into the directory and returns its path.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) throws -> String {
    guard let stream = fopen(file(name), "we") else { throw failure("write", name) }
    let count = fwrite(bytes, 1, bytes.count, stream)
    guard fclose(stream) == 0, count == bytes.count else { throw failure("write", name) }
    return file(name)
  }

  package func read(_ name: String) throws -> [UInt8] { try ExternalTool("cat").run([file(name)]) }

  private func failure(_ operation: String, _ name: String) -> ExternalTool.Failure {
    ExternalTool.Failure(description: "cannot \(operation) \(file(name)): \(String(cString: strerror(errno)))")
  }
}
