// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
internal import Messages

/// The contents of the variables that decide about Secure Boot, and of those with the factory's lists.
package struct FirmwareLists: Hashable, Sendable {
  /// The files of efivarfs, by variable; a variable that does not exist is missing.
  private var files: [EFIVariableName: [UInt8]] = [:]
  /// Whether the firmware accepts keys from anyone; nil if the variable does not exist.
  package private(set) var setupMode: Bool?

  /// In the order in which they are written: PK ends Setup Mode, after which the others need a signature by KEK.
  package static let order: [EFIVariableName] = [
    .signatureDatabase, .keyExchangeKey, .forbiddenDatabase, .platformKey,
  ]
  private static let factory: [EFIVariableName: EFIVariableName] = [
    .platformKey: .platformKeyDefault, .keyExchangeKey: .keyExchangeKeyDefault,
    .signatureDatabase: .signatureDatabaseDefault, .forbiddenDatabase: .forbiddenDatabaseDefault,
  ]

  /// Throws `HostError` if a variable exists but cannot be read.
  package init(readingFrom store: EFIVariableStore) throws {
    for variable in Self.order + Self.order.compactMap({ Self.factory[$0] }) {
      files[variable] = try store.read(variable.fileName)
    }
    let mode = try store.read(EFIVariableName.setupMode.fileName)
    setupMode = mode.flatMap { try? EFIVariableContent(parsing: $0).data.first }.map { $0 == 1 }
  }

  /// The content of the variable's file in efivarfs; nil if it does not exist.
  package func file(_ variable: EFIVariableName) -> [UInt8]? { files[variable] }

  /// The data of the variable; empty if it does not exist.
  package func data(_ variable: EFIVariableName) -> [UInt8] {
    files[variable].flatMap { try? EFIVariableContent(parsing: $0).data } ?? []
  }

  /// The lists that the factory has put into the firmware for the variable; empty if there are none.
  package func factoryData(_ variable: EFIVariableName) -> [UInt8] { Self.factory[variable].map(data) ?? [] }
}
