// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
internal import Messages

extension KeySet.Pair {
  /// Reads the key and the certificate of a role from files of the user, and checks that they are suitable.
  ///
  /// A protected key stays protected; its passphrase is needed once, to check that key and certificate match. Throws
  /// `Failure` or `HostError`.
  package init(importing source: KeyLayout.Source, as role: KeyRole, from host: Host) throws {
    let files = host.userFiles
    let content = try source.key.map { try files.readFile($0, limit: KeySource.sizeLimit) }
    let stored = try content.flatMap { content in
      try source.key.map { try StoredKey(content, named: $0, on: host) }
    }
    let certificate: Certificate
    if let path = source.certificate {
      certificate = try describing(path) {
        try CertificateFile(parsing: try files.readFile(path, limit: KeySource.sizeLimit)).signer()
      }
    } else {
      certificate = try Self.certificate(of: stored, in: content, named: source.key, role)
    }
    let name = source.certificate ?? source.key ?? role.name
    if let stored, let keyName = source.key {
      try Self.require(stored.key, belongsTo: certificate, names: (keyName, name), role)
    }
    try Self.require(certificate, suits: role, named: name)
    self.init(certificate: certificate, privateKey: try stored?.pem())
  }

  /// The certificate in the file of the key.
  private static func certificate(
    of stored: StoredKey?, in content: [UInt8]?, named name: String?, _ role: KeyRole
  ) throws -> Certificate {
    guard let stored, let content, let name else { throw Failure("no file for \(role.name)") }
    let found =
      stored.certificates.isEmpty ? (try? CertificateFile(parsing: content))?.certificates : stored.certificates
    guard let certificate = found?.first(where: { $0.matches(stored.key) }) else {
      throw Failure(
        "\(name) contains no certificate of the key",
        hint: "specify the certificate with --\(role.name.lowercased())-cert")
    }
    return certificate
  }

  /// Whether key and certificate match; false if the key has a passphrase that is not known.
  ///
  /// `container` is the file that both are from. Throws `Failure` if they do not match.
  package func isProven(as role: KeyRole, in container: String, on host: Host) throws -> Bool {
    guard let privateKey else { return true }
    let names = (key: "\(container): \(KeyStore.keyFile(of: role))", KeyStore.certificateFile(of: role))
    let passphrases = KeyPassphrases(specified: nil, setting: nil, on: host)
    do {
      let key = try passphrases.open(file: names.key) { try PrivateKey(parsing: privateKey, passphrase: $0) }
      try Self.require(key, belongsTo: certificate, names: (names.key, "\(container): \(names.1)"), role)
      return true
    } catch let error as KeyLoadFailure where error.kind == .passphrase {
      return false
    } catch {
      throw Failure(adopting: error, of: Message(verbatim: names.key))
    }
  }

  /// Throws `Failure` unless the two are a pair that firmware accepts.
  static func require(
    _ key: PrivateKey, belongsTo certificate: Certificate, names: (key: String, certificate: String), _ role: KeyRole
  ) throws {
    do {
      _ = try SigningIdentity(key: key, certificate: certificate)
    } catch  where error.kind == .mismatch {
      throw Failure(
        "\(names.certificate) is not the certificate of \(names.key)",
        hint: "use the certificate that was made for this key")
    } catch {
      throw Failure(names.certificate, error)
    }
  }

  private static func require(_ certificate: Certificate, suits role: KeyRole, named name: String) throws {
    guard role == .signatureDatabase, certificate.isForKernelModules else { return }
    throw Failure(
      """
      \(name) is a certificate for kernel modules only (extended key usage 1.3.6.1.4.1.2312.16.1.2): shim rejects UKIs \
      that its key signs
      """, hint: "create a key for UKIs with 'pve-sb-uki keys create --mok'")
  }
}

/// A private key, with what is needed to write it as it was protected.
private struct StoredKey {
  let key: PrivateKey
  /// The certificates in a PKCS#12 file.
  var certificates: [Certificate] = []
  private let form: Form

  private enum Form {
    case text([UInt8])
    /// A file of its own kind, and the passphrase that protected it.
    case other(Secret?)
  }

  /// Opens a file of the user: PEM, DER or PKCS#12.
  init(_ content: [UInt8], named name: String, on host: Host) throws {
    let passphrases = KeyPassphrases(specified: host.passphrases.file, setting: nil, on: host)
    var opened: (secret: Secret?, certificates: [Certificate]) = (nil, [])
    do {
      key = try passphrases.open(file: name) { source in
        guard content.first == 0x30 else { return try PrivateKey(parsing: content, passphrase: source) }
        let container = try PKCS12Container(parsing: content)
        func open(_ source: PassphraseSource) throws -> PrivateKey {
          guard let container else { return try PrivateKey(parsing: content, passphrase: source) }
          let found = try container.open(passphrase: source)
          opened.certificates = found.certificates
          return found.key
        }
        if let plain = try? open(.none) { return plain }
        let key = try open(source)
        if var bytes = source.bytes() { opened.secret = Secret(wiping: &bytes) }
        return key
      }
    } catch let error as KeyLoadFailure {
      throw error.failure
    } catch {
      throw Failure(adopting: error, of: Message(verbatim: name))
    }
    certificates = opened.certificates
    if content.first != 0x30 {
      guard let block = PEM.block(labelled: "PRIVATE KEY", in: content) else {
        throw Failure("\(name) contains no private key", hint: "specify the file with the private key")
      }
      form = .text(block)
    } else {
      form = .other(opened.secret)
    }
  }

  /// The key in PEM; that of a protected binary file is protected by the same passphrase.
  func pem() throws -> [UInt8] {
    switch form {
    case .text(let block): return block
    case .other(let secret): return try key.serializedPEM(protectedBy: secret)
    }
  }
}
