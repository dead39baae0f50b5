// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Reconcile
import TestSupport
import Testing

/// Promise I6: whichever change of `keys create` fails or is the last, the set of keys is whole or absent, and the next
/// `apply` leaves no private key under a temporary name.
@Suite struct KeysCreateFaultTests {
  private static let names = ["GUID", "KEK.crt", "KEK.key", "PK.crt", "PK.key", "db.crt", "db.key"]

  private func run(_ fault: String, _ number: Int, in root: TemporaryDirectory) throws -> (status: Int32, count: Int?) {
    let result = try ExternalTool.built("fault-runner").result([root.path, "keys", fault, "\(number)"])
    return (result.status, Int(result.text.split(separator: "\n").last ?? ""))
  }

  private func leftovers(in root: TemporaryDirectory) throws -> [String] {
    try root.list("/etc/pve-sb-uki").filter { TemporaryName.matches($0) }
  }

  /// Each number costs three new keys, so the two errors take turns, and SIGTERM comes at every third change.
  @Test(
    .enabled(if: SlowTests.run), arguments: [("EIO", 1, 2), ("ENOSPC", 2, 2), ("SIGKILL", 1, 1), ("SIGTERM", 1, 3)])
  func atEveryChange(fault: String, first: Int, step: Int) throws {
    let changes = try #require(try run("none", 0, in: TemporaryDirectory()).count)
    #expect(changes > 40)
    var (whole, absent, left) = (0, 0, 0)
    for number in stride(from: first, through: changes, by: step) {
      let root = try TemporaryDirectory()
      #expect(try run(fault, number, in: root).status != 0, "\(fault) at change \(number)")
      let keys = try root.list("/etc/pve-sb-uki/keys")
      #expect(keys.isEmpty || keys == Self.names, "\(fault) at change \(number)")
      // The last two changes are the rename, which a signal does not prevent, and its sync.
      let isRenamed = number == changes || fault == "SIGTERM" && number == changes - 1
      #expect(keys.isEmpty != isRenamed, "\(fault) at change \(number)")
      if keys.isEmpty { absent += 1 } else { whole += 1 }
      if try !leftovers(in: root).isEmpty {
        left += 1
        // After any other fault the process cleans up itself.
        #expect(fault == "SIGKILL", "\(fault) at change \(number)")
      }
      _ = try Apply.run(on: root.host())
      #expect(try leftovers(in: root).isEmpty, "\(fault) at change \(number), after apply")
      #expect(try root.list("/etc/pve-sb-uki/keys") == keys, "\(fault) at change \(number), after apply")
    }
    let counts = "\(whole) whole, \(absent) absent, \(left) swept by apply"
    print("keys create: \(fault) at \((changes - first) / step + 1) of \(changes) changes: \(counts)")
  }

  /// A mask that removes even the owner's bits.
  @Test func theUmaskDoesNotMatter() throws {
    let root = try TemporaryDirectory()
    let runner = try ExternalTool.built("fault-runner").name
    try ExternalTool("sh").run(["-c", "umask 777; exec \"$@\"", "sh", runner, root.path, "keys", "none", "0"])
    let files = FileSystem()
    let path = root.path(of: "/etc/pve-sb-uki/keys")
    #expect(try files.status(of: path)?.mode == 0o700)
    for name in Self.names {
      #expect(try files.status(of: "\(path)/\(name)")?.mode == (name.hasSuffix(".key") ? 0o600 : 0o644), "\(name)")
    }
  }

  @Test func aDirectoryInUseIsNotSwept() throws {
    let root = try TemporaryDirectory()
    let host = try root.host()
    try host.files.makeCompleteDirectory("/etc/pve-sb-uki/keys") { temporary in
      try host.files.replaceFile("\(temporary)/PK.key", content: [1])
      _ = try Apply.run(on: host)
      #expect(try leftovers(in: root).count == 1)
    }
    #expect(try root.list("/etc/pve-sb-uki/keys") == ["PK.key"])
  }
}
