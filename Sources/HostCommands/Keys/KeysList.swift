// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import SigningKeys

/// `pve-sb-uki keys list`: lists the keys and problems with them.
package struct KeysList: Sendable {
  package init() {}

  package struct Key: Sendable {
    /// PK, KEK or db.
    package var role: String
    package var certificatePath: String
    package var subject: String
    /// SHA-256 of the certificate, in hexadecimal.
    package var fingerprint: String
    /// Such as `RSA 2048`.
    package var algorithm: String
    /// Start of the validity, such as `2026-11-21 05:24:17 UTC`; nil if the certificate has none.
    package var notBefore: String?
    package var notAfter: String?
    /// Path of the private key; nil if it is not on this host.
    package var privateKeyPath: String?
    /// Whether a passphrase protects it.
    package var isProtected: Bool
  }

  package struct Result: Sendable {
    package var directory: String
    /// The owner GUID for enrolment; nil if there is none.
    package var owner: String?
    package var keys: [Key]
    /// Sentences that name a file and its problem.
    package var warnings: [Message]
  }

  /// How long before its expiry a certificate causes a warning, in seconds.
  private static let expiryNotice: Int64 = 90 * 86_400

  /// Lists the keys, with warnings about problems.
  ///
  /// Throws `HostError` if the directory cannot be read.
  package func run(on host: Host) throws -> Result {
    let store = try KeyStore(configuredOn: host)
    var result = Result(directory: store.displayPath, keys: [], warnings: [])
    let state = try store.state()
    if case .absent = state { return result }
    if case .partial(_, let missing) = state {
      result.warnings.append("\(store.displayPath): missing \(missing.joined(separator: ", "))")
    }
    result.warnings += try modeWarnings(store, host)
    let present = try store.existingNames()
    if present.contains(KeyStore.ownerFile) {
      result.owner = Self.collect(&result.warnings) { try store.owner().description }
    }
    for role in KeyRole.allCases where present.contains(KeyStore.certificateFile(of: role)) {
      guard let certificate = Self.collect(&result.warnings, { try store.certificate(of: role) }) else { continue }
      let hasKey = present.contains(KeyStore.keyFile(of: role))
      result.keys.append(try describe(role, certificate: certificate, hasKey: hasKey, in: store))
      result.warnings += warnings(about: certificate, of: role, hasKey: hasKey, in: store, on: host)
    }
    return result
  }

  private func describe(
    _ role: KeyRole, certificate: Certificate, hasKey: Bool, in store: KeyStore
  ) throws -> Key {
    Key(
      role: role.name, certificatePath: store.displayPath(of: KeyStore.certificateFile(of: role)),
      subject: certificate.subject, fingerprint: try certificate.fingerprint().hexadecimal,
      algorithm: "\(certificate.algorithm)",
      notBefore: certificate.notBefore.map { CalendarDate(seconds: $0).description },
      notAfter: certificate.notAfter.map { CalendarDate(seconds: $0).description },
      privateKeyPath: hasKey ? store.displayPath(of: KeyStore.keyFile(of: role)) : nil,
      isProtected: hasKey && (try? store.isProtected(role)) == true)
  }

  private func warnings(
    about certificate: Certificate, of role: KeyRole, hasKey: Bool, in store: KeyStore, on host: Host
  ) -> [Message] {
    let path = store.displayPath(of: KeyStore.certificateFile(of: role))
    var warnings: [Message] = []
    if let end = certificate.notAfter, end - host.now() < Self.expiryNotice {
      let date = CalendarDate(seconds: end)
      warnings.append(end < host.now() ? "\(path): expired on \(date)" : "\(path): expires on \(date)")
    }
    if let begin = certificate.notBefore, begin > host.now() {
      warnings.append("\(path): not valid before \(CalendarDate(seconds: begin)); check this host's clock")
    }
    guard hasKey, (try? store.isProtected(role)) != true else { return warnings }
    do {
      let key = try store.privateKey(of: role)
      if !certificate.matches(key) { warnings.append("\(path): does not match \(KeyStore.keyFile(of: role))") }
    } catch {
      warnings.append(Message(error))
    }
    return warnings
  }

  /// Warnings about files that other users could read or replace.
  private func modeWarnings(_ store: KeyStore, _ host: Host) throws -> [Message] {
    var warnings: [Message] = []
    func check(_ path: String, forbidden: UInt32, wanted: UInt32) throws {
      warnings += try host.exposures(of: path, forbidden: forbidden, wanted: wanted).map(\.withHint)
    }
    try check(store.privateDirectory, forbidden: 0o077, wanted: 0o700)
    for role in KeyRole.allCases {
      try check(store.path(of: KeyStore.keyFile(of: role)), forbidden: 0o177, wanted: 0o600)
      try check(store.path(of: KeyStore.certificateFile(of: role)), forbidden: 0o022, wanted: 0o644)
    }
    return warnings
  }

  private static func collect<Value>(_ warnings: inout [Message], _ body: () throws -> Value) -> Value? {
    do {
      return try body()
    } catch {
      warnings.append(Message(error))
      return nil
    }
  }
}
