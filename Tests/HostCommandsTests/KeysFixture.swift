// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostCommands
import HostSystem
import TestSupport

/// Keys that are created once for all tests that do not test the creation.
enum KeysFixture {
  private static let files = Result {
    let root = try TemporaryDirectory()
    _ = try KeysCreate().run(on: root.host())
    return try root.list(KeysCreateTests.directory).map { name in
      (name: name, content: try root.read("\(KeysCreateTests.directory)/\(name)") ?? [])
    }
  }

  static func install(in root: TemporaryDirectory) throws {
    try root.host().files.makeDirectory(KeysCreateTests.directory, mode: 0o700)
    for (name, content) in try files.get() {
      try root.write("\(KeysCreateTests.directory)/\(name)", content, mode: name.hasSuffix(".key") ? 0o600 : 0o644)
    }
  }
}
