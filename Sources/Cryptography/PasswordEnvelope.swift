// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// Content encrypted with a passphrase, as CMS EnvelopedData with a password recipient (RFC 5652 sections 6 and 6.2.4,
/// RFC 3211), in DER.
///
/// `openssl cms -decrypt -inform DER -pwri_password …` opens it. AES-256-CBC does not protect against changes: the
/// content needs digests of its own.
package enum PasswordEnvelope {
  /// Iterations of PBKDF2 with HMAC-SHA-1, the only one that libcrypto can use here (OWASP, Password Storage Cheat Sheet,
  /// 2023: 1,300,000).
  private static let iterations: CInt = 1_300_000
  /// More would keep a reader busy for minutes.
  private static let iterationLimit = 5_000_000
  /// Bytes of a message; keys have a few thousand.
  package static let sizeLimit = 1 << 20

  /// Encrypts `content`.
  ///
  /// The caller wipes `passphrase`.
  package static func seal(_ content: [UInt8], passphrase: [UInt8]) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot encrypt"
    return try withReadOnlyBIO(content) { bio throws(CryptoError) in
      ErrorQueue.clear()
      let flags = UInt32(CMS_BINARY | CMS_PARTIAL)
      guard let message = CMS_encrypt(nil, nil, EVP_aes_256_cbc(), flags) else { throw ErrorQueue.drain(operation) }
      defer { CMS_ContentInfo_free(message) }
      // The message frees and wipes this copy.
      guard let copy = CRYPTO_malloc(max(1, passphrase.count), #fileID, #line) else {
        throw ErrorQueue.drain(operation)
      }
      passphrase.withUnsafeBytes { if let start = $0.baseAddress { copy.copyMemory(from: start, byteCount: $0.count) } }
      guard
        CMS_add0_recipient_password(
          message, iterations, NID_id_alg_PWRI_KEK, NID_undef, copy.assumingMemoryBound(to: UInt8.self),
          passphrase.count, nil) != nil,
        CMS_final(message, bio, nil, flags) == 1
      else { throw ErrorQueue.drain(operation) }
      return try encodeDER(operation) { i2d_CMS_ContentInfo(message, $0) }
    }
  }

  /// Decrypts a message.
  ///
  /// Throws `malformed` if it is not such a message, `passphrase` if the passphrase is wrong. The caller wipes
  /// `passphrase`.
  package static func open(_ message: [UInt8], passphrase: [UInt8]) throws(CryptoError) -> [UInt8] {
    let operation: Message = "cannot decrypt it"
    try requireSuitable(message, operation)
    return try withReadOnlyBIO(message) { bio throws(CryptoError) in
      ErrorQueue.clear()
      guard let parsed = d2i_CMS_bio(bio, nil) else { throw malformed(operation) }
      defer { CMS_ContentInfo_free(parsed) }
      var secret = passphrase + [0]
      defer { secret.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
      // Errors have no other cause: the structure was checked. A wrong passphrase is found by the check of the wrapped
      // key, or in one of 16 million cases by the padding of the content.
      guard CMS_decrypt_set1_password(parsed, &secret, passphrase.count) == 1 else { throw wrong(operation) }
      do {
        return try collectFromBIO(operation) { CMS_decrypt(parsed, nil, nil, nil, $0, UInt32(CMS_BINARY)) }
      } catch {
        throw wrong(operation)
      }
    }
  }

  private static func wrong(_ operation: Message) -> CryptoError {
    ErrorQueue.clear()
    return CryptoError(.passphrase, operation, ["the passphrase is wrong"])
  }

  private static func malformed(_ operation: Message) -> CryptoError {
    ErrorQueue.clear()
    return CryptoError(.malformed, operation, ["it is not a message encrypted with a passphrase"])
  }

  /// Throws `malformed` unless the message has one recipient, with a passphrase and a bearable number of iterations.
  private static func requireSuitable(_ message: [UInt8], _ operation: Message) throws(CryptoError) {
    guard message.count <= sizeLimit, let iterations = try? iterations(of: message) else { throw malformed(operation) }
    guard (1...iterationLimit).contains(iterations) else {
      throw CryptoError(
        .malformed, operation,
        ["its passphrase has \(iterations) iterations; pve-sb-uki accepts at most \(iterationLimit)"])
    }
  }

  private static func iterations(of message: [UInt8]) throws(ParseError) -> Int {
    var reader = ByteReader(message, format: "CMS")
    var contentInfo = try reader.readDER(DER.sequence)
    try contentInfo.expect(DER.objectIdentifier, envelopedData)
    var content = try contentInfo.readDER(DER.contextConstructed(0))
    var envelope = try content.readDER(DER.sequence)
    _ = try envelope.readDER(DER.integer)
    var recipients = try envelope.readDER(DER.set)
    var recipient = try recipients.readDER(DER.contextConstructed(3))
    guard recipients.remaining == 0 else {
      throw ParseError("CMS", at: recipients.offset, .range, "more than one recipient")
    }
    _ = try recipient.readDER(DER.integer)
    var derivation = try recipient.readDER(DER.contextConstructed(0))
    try derivation.expect(DER.objectIdentifier, pbkdf2)
    var parameters = try derivation.readDER(DER.sequence)
    _ = try parameters.readDER(DER.octetString)
    var count = try parameters.readDER(DER.integer)
    let bytes = Array(count.readToEnd())
    guard let first = bytes.first, first < 0x80, bytes.count <= 5 else { return Int.max }
    return bytes.reduce(0) { $0 << 8 | Int($1) }
  }

  // 1.2.840.113549.1.7.3
  private static let envelopedData: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03]
  // 1.2.840.113549.1.5.12
  private static let pbkdf2: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c]
}

extension DER {
  fileprivate static let set: UInt8 = 0x31
  fileprivate static func contextConstructed(_ number: UInt8) -> UInt8 { 0xa0 | number }
}

extension ByteReader {
  /// Reads an element with exactly these contents.
  fileprivate mutating func expect(_ tag: UInt8, _ contents: [UInt8]) throws(ParseError) {
    let start = offset
    var element = try readDER(tag)
    guard Array(element.readToEnd()) == contents else {
      throw ParseError("CMS", at: start, .magic, "unexpected object identifier")
    }
  }
}
