// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages
import TestSupport
import pve_sb_uki
import pve_sb_uki_repack

/// A command that was built with the tests, in the same directory.
struct BuiltCommand {
  let tool: ExternalTool

  init(_ name: String) throws {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw Failure("/proc/self/exe cannot be read") }
    let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let directory = path.split(separator: "/").dropLast().joined(separator: "/")
    tool = ExternalTool("/\(directory)/\(name)")
  }

  /// The document that the command prints with --json, whatever its exit code.
  func document(_ arguments: [String]) throws -> JSONValue {
    let result = try tool.result(arguments + ["--json"])
    do {
      return try JSONValue(parsing: result.output)
    } catch {
      throw Failure("\(error): \(result.text)\(result.errors)")
    }
  }
}
