// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import TestSupport
import pve_sb_uki
import pve_sb_uki_repack

/// A command that was built with the tests, in the same directory.
struct BuiltCommand {
  let tool: ExternalTool

  init(_ name: String) throws {
    tool = try ExternalTool.built(name)
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
