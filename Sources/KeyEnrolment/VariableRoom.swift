// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import Findings
package import HostSystem
internal import Messages

/// Whether the firmware's store of permanent variables has room for what will be written to it.
///
/// A full store stops boots: shim ends with "Volume Full" if it cannot copy its lists.
package struct VariableRoom: Sendable {
  /// Bytes of two new boot entries, a longer boot order and shim's revocation level, each with its header.
  private static let reserve = 4096
  /// Bytes of a variable's header and name in EDK2's store, rounded up.
  private static let headerSize = 128
  /// Copies of the MOK list, in shim's variables and in its copies for the kernel.
  private static let mirrorCount = 2

  /// Bytes that the next writes need.
  package let needed: Int
  /// The number of variables with parts of kernel crash dumps.
  package let dumps: Int

  /// - Parameters:
  ///   - sizes: the sizes of the variables in bytes, by name without vendor.
  ///   - enrolments: the sizes of what will be written to PK, KEK, db and dbx. Firmware frees the space of the old
  ///     content only at the next boot.
  package init(sizes: [(name: String, size: Int)], enrolments: [Int]) {
    let requests = sizes.filter { Self.isRequest($0.name) }.map { min($0.size, 1 << 20) }
    let writes = requests.flatMap { Array(repeating: $0, count: Self.mirrorCount) } + enrolments
    needed = Self.reserve + writes.reduce(0) { $0 + $1 + Self.headerSize }
    dumps = sizes.count { $0.name.hasPrefix("dump-type0-") }
  }

  /// The variables of a store, with the sizes of requests to shim.
  ///
  /// Only those sizes matter, so no other variable is read: reading one is a firmware call. Throws `HostError` or
  /// `EFIVariableError`.
  package static func requests(in store: EFIVariableStore) throws -> [(name: String, size: Int)] {
    try store.names().map { file in
      let name = EFIVariableName.name(ofFile: file)
      return (name: name, size: isRequest(name) ? try store.read(file)?.count ?? 0 : 0)
    }
  }

  /// Whether shim copies the variable at the next boot: a request of mokutil.
  private static func isRequest(_ name: String) -> Bool { name == "MokNew" || name == "MokXNew" }

  /// The finding about a store with that room; nil if it suffices.
  package func finding(_ room: EFIVariableStore.Room) -> Finding? {
    guard room.available < needed else { return nil }
    return Finding(
      .nvramFull,
      """
      the firmware's variable store has \(room.available) of \(room.total) bytes free; the next boot entries and updates \
      need \(needed)
      """,
      arguments: [
        "available_bytes": .integer(room.available), "total_bytes": .integer(room.total),
        "needed_bytes": .integer(needed), "crash_dumps": .integer(dumps),
      ], actions: actions)
  }

  /// How to make room.
  package var actions: [Finding.Action] {
    dumps > 0
      ? [
        .run(Message(verbatim: "rm \(EFIVariableStore.directory)/dump-type0-*")),
        .advise("before that, save the crash dumps that you need from /sys/fs/pstore"),
      ]
      : [
        .advise(
          "remove unused entries with 'pve-sb-uki boot forget', then reboot so that the firmware frees the space")
      ]
  }
}
