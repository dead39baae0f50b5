// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography
package import HostSystem
internal import Messages

/// The locations of the signing key and its certificate.
package struct KeySource: Sendable {
  /// A path, or an OSSL_STORE URI such as `pkcs11:…`.
  package var key: String
  package var certificate: String
  /// Whether both are paths on the host rather than paths of the user.
  package var isHostPath: Bool
  /// A file with the key's passphrase in its first line, a path of the same kind; nil leaves it to the other places that
  /// `KeyPassphrases` knows.
  package var passphraseFile: String?

  package init(key: String, certificate: String, isHostPath: Bool = false, passphraseFile: String? = nil) {
    self.key = key
    self.certificate = certificate
    self.isHostPath = isHostPath
    self.passphraseFile = passphraseFile
  }

  /// The host's own db key.
  package static let hostDefault = KeySource(
    key: KeyStore.standardKeyPath, certificate: KeyStore.standardCertificatePath, isHostPath: true)

  /// The name of the credential with the passphrase, see systemd.exec(5).
  package static let credential = "pve-sb-uki.passphrase"

  /// Maximum size of a key or certificate file in bytes.
  package static let sizeLimit = 1 << 20

  /// The files named by the user.
  package var userPaths: [String] { isHostPath ? [] : [key, certificate] + [passphraseFile].compactMap { $0 } }

  /// Loads both and checks that firmware accepts their signatures.
  ///
  /// Throws `Failure`.
  package func load(from host: Host) throws -> SigningIdentity {
    let key: PrivateKey
    do {
      key = try loadKey(from: host)
    } catch let error as KeyLoadFailure {
      throw error.failure
    }
    let certificate = try loadCertificate(from: host)
    return try describing(self.certificate) {
      try SigningIdentity(key: key, certificate: certificate)
    }
  }

  /// As `load`, then signs something: a token may lend its key and still not sign.
  ///
  /// Throws `Failure`.
  package func requireSignature(from host: Host) throws {
    let identity = try load(from: host)
    let content = Array("pve-sb-uki".utf8)
    try describing(displayName) {
      let signature = try SignedData.sign(detached: content, by: identity)
      guard try SignedData(parsing: signature).verifies(content) else { throw Failure("its signature is invalid") }
    }
  }

  /// The certificate, with the other certificates in its file as its issuers.
  ///
  /// Throws `Failure`.
  package func loadCertificate(from host: Host) throws -> Certificate {
    let files = isHostPath ? host.files : host.userFiles
    return try describing(certificate) {
      try CertificateFile(parsing: try files.readFile(certificate, limit: Self.sizeLimit)).signer()
    }
  }

  /// Throws `KeyLoadFailure` if libcrypto rejects it, else `Failure`.
  func loadKey(from host: Host) throws -> PrivateKey {
    let files = isHostPath ? host.files : host.userFiles
    let passphrases = KeyPassphrases(
      specified: isHostPath ? host.passphrases.file : passphraseFile, setting: isHostPath ? passphraseFile : nil,
      on: host)
    do {
      if isStoreURI(in: files) {
        let (uri, file) = Self.withoutPINFile(key)
        return try passphrases.open(token: displayName, pinFile: file.map { ($0, files) }) {
          try PrivateKey(storeURI: uri, passphrase: $0)
        }
      }
      let content = try files.readFile(key, limit: Self.sizeLimit)
      return try passphrases.open(file: files.display(key)) { try PrivateKey(parsing: content, passphrase: $0) }
    } catch let error as KeyLoadFailure {
      throw error
    } catch let error as CryptoError {
      throw KeyLoadFailure(kind: error.kind, failure: Failure(displayName, error))
    } catch {
      throw Failure(adopting: error, of: Message(verbatim: displayName))
    }
  }

  /// Whether the key is an OpenSSL store URI rather than a file with a colon in its name.
  func isStoreURI(in files: FileSystem) -> Bool { Self.isURI(key) && (try? files.exists(key)) != true }

  /// The key for messages: a URI is cut before its PIN (RFC 7512 section 2.4).
  var displayName: String { Self.shown(key) }

  /// A value of `Key=` for messages, cut before its PIN.
  package static func shown(_ key: String) -> String {
    let name = Array(key.utf8)
    let attribute = "pin-value=".utf8
    guard let start = name.indices.first(where: { name[$0...].starts(with: attribute) }) else { return key }
    return String(decoding: name[..<(start + attribute.count)], as: UTF8.self) + "…"
  }

  /// A PKCS #11 URI without `pin-source=`, and the file that it names (RFC 7512 section 2.4).
  ///
  /// The libraries for tokens disagree about the line feed at the end of the file. A command, `|…`, is left to them.
  private static func withoutPINFile(_ uri: String) -> (uri: String, file: String?) {
    guard uri.hasPrefix("pkcs11:"), let question = uri.firstIndex(of: "?") else { return (uri, nil) }
    var attributes = uri[uri.index(after: question)...].split(separator: "&")
    let name = "pin-source="
    guard let index = attributes.firstIndex(where: { $0.hasPrefix(name) }) else { return (uri, nil) }
    let value = percentDecoded(attributes.remove(at: index).dropFirst(name.count))
    let path =
      value.hasPrefix("file:///")
      ? String(value.dropFirst(7)) : value.hasPrefix("file:") ? String(value.dropFirst(5)) : value
    guard path.hasPrefix("/") else { return (uri, nil) }
    let rest = attributes.isEmpty ? "" : "?" + attributes.joined(separator: "&")
    return (uri[..<question] + rest, path)
  }

  /// RFC 3986 section 2.1.
  private static func percentDecoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// RFC 3986 section 3.1: a letter, then letters, digits, `+`, `-`, `.`, then a colon; a single letter
  /// is not a scheme.
  private static func isURI(_ text: String) -> Bool {
    let scheme = text.utf8.prefix { $0 != UInt8(ascii: ":") }
    guard scheme.count > 1, scheme.count < text.utf8.count, let first = scheme.first else { return false }
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }
    func isOther(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || "+-.".utf8.contains(byte) }
    return isLetter(first) && scheme.allSatisfy { isLetter($0) || isOther($0) }
  }
}
