// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
package import HostSystem
internal import Messages

/// The pending requests of mokutil: MokManager offers them at the next boot by shim, and drops them whatever the answer is
/// (rhboot/shim 16.1, `MokManager.c`).
package struct MachineOwnerRequests: Sendable {
  /// To be added to the MOK list.
  package private(set) var additions: [Certificate] = []
  /// To be removed from it.
  package private(set) var removals: [Certificate] = []
  /// To be added to the list of forbidden keys.
  package private(set) var prohibitions: [Certificate] = []
  /// Whether all keys are to be removed: MokManager does that for a password without keys.
  package private(set) var clearsList = false
  /// Whether shim's checks are to be switched on or off.
  package private(set) var changesValidation = false

  /// No request.
  package init() {}

  /// Reads the requests.
  ///
  /// Damaged requests are used as far as they can be read. Throws `HostError` if a variable cannot be read.
  package init(readingFrom host: Host) throws {
    func data(_ variable: EFIVariableName) throws -> [UInt8]? {
      guard let file = try host.variables.read(variable.fileName) else { return nil }
      return try? EFIVariableContent(parsing: file).data
    }
    func certificates(_ variable: EFIVariableName) throws -> [Certificate] {
      guard let content = try data(variable) else { return [] }
      var notes: [Message] = []
      return TrustList(name: variable.name, content: content, notes: &notes).certificates
    }
    additions = try certificates(.requestedMachineOwnerKeys)
    removals = try certificates(.removedMachineOwnerKeys)
    prohibitions = try certificates(.requestedForbiddenKeys)
    clearsList = try data(.machineOwnerKeysPassword) != nil && data(.requestedMachineOwnerKeys) == nil
    changesValidation = try data(.requestedShimValidation) != nil
  }

  /// Whether MokManager asks for anything at the next boot.
  package var isEmpty: Bool {
    additions.isEmpty && removals.isEmpty && prohibitions.isEmpty && !clearsList && !changesValidation
  }

  /// Whether the addition of this certificate or of one of its issuers is requested.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package func adds(_ certificate: Certificate) throws -> Bool {
    try additions.contains { try certificate.descends(from: $0) }
  }

  /// Whether this certificate would no longer be trusted after the requests: it is removed or forbidden.
  ///
  /// Throws `CryptoError` if libcrypto fails.
  package func endsTrust(in certificate: Certificate) throws -> Bool {
    if clearsList { return true }
    return try (removals + prohibitions).contains { try certificate.descends(from: $0) }
  }
}
