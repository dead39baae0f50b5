// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
package import Messages

/// Why a cryptographic operation failed: the operation, the kind of failure and libcrypto's error queue, oldest first.
///
/// Never contains a secret.
package struct CryptoError: HintedError, Hashable {
  /// The kind of failure; an open set.
  package struct Kind: Hashable, Sendable {
    private let name: String

    /// libcrypto failed; see its reasons.
    package static let library = Kind(name: "library")
    /// The input is malformed.
    package static let malformed = Kind(name: "malformed")
    /// A file is not a private key.
    package static let keyFile = Kind(name: "key file")
    /// A file is a PKCS#12 container that cannot be opened or has no private key.
    package static let container = Kind(name: "container")
    /// A PKCS#12 container needs algorithms that libcrypto offers only on request.
    package static let legacyContainer = Kind(name: "legacy container")
    /// libcrypto has nothing installed that reaches a token.
    package static let tokenSupport = Kind(name: "token support")
    /// A URI does not lead to a private key.
    package static let keyURI = Kind(name: "key URI")
    /// A file is not a certificate or a chain of certificates.
    package static let certificateFile = Kind(name: "certificate file")
    /// A key is encrypted and the passphrase is missing or wrong.
    package static let passphrase = Kind(name: "passphrase")
    /// A key or certificate that firmware rejects.
    package static let refused = Kind(name: "refused")
    /// The private key does not match the certificate.
    package static let mismatch = Kind(name: "mismatch")
  }

  package var kind: Kind
  /// The failed operation as the start of a sentence: `cannot read the private key`.
  package var operation: Message
  /// Reasons, most general last; those from libcrypto look like `PEM routines: no start line`.
  package var reasons: [Message]

  package init(_ kind: Kind, _ operation: Message, _ reasons: [Message] = []) {
    self.kind = kind
    self.operation = operation
    self.reasons = reasons
  }
}

extension CryptoError {
  package var message: Message {
    reasons.isEmpty ? operation : "\(operation): \(reasons.joined(separator: "; "))"
  }

  package var hint: Message? {
    switch kind {
    case .keyFile: "convert the key with 'openssl pkey -in FILE -out KEY.pem'"
    case .container: "extract the key with 'openssl pkcs12 -in FILE -nocerts -out KEY.pem', and specify that file"
    case .legacyContainer:
      "convert it with 'openssl pkcs12 -legacy -in FILE -nocerts -out KEY.pem', and specify that file"
    case .tokenSupport: "run 'apt install \(Token.packages)'"
    case .keyURI: "check the URI with 'openssl storeutl -keys URI'"
    case .certificateFile: "specify a PEM file with the certificate and, if there are any, those that issued it"
    case .passphrase: "specify its passphrase with --passphrase-file, or use a key without one"
    case .mismatch: "specify the certificate of this key with --cert"
    case .refused: "use an RSA key of at least 2048 bits, such as 'keys create' makes"
    default: nil
    }
  }
}

/// libcrypto's error queue of this thread.
enum ErrorQueue {
  /// Drops errors left over from earlier operations.
  static func clear() { ERR_clear_error() }

  /// Whether the last error is the end of a PEM file: no further start line.
  static var endsWithoutStartLine: Bool {
    let code = ERR_peek_last_error()
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
  }

  /// Empties the queue; returns whether an algorithm was not supported.
  static var containsUnsupported: Bool {
    var found = false
    while case let code = ERR_get_error(), code != 0 {
      found =
        found || ERR_GET_REASON(code) == ERR_R_UNSUPPORTED
        || ERR_GET_LIB(code) == ERR_LIB_PKCS12 && ERR_GET_REASON(code) == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM
    }
    return found
  }

  /// Empties the queue into an error of `operation`.
  static func drain(_ operation: Message, _ kind: CryptoError.Kind = .library) -> CryptoError {
    var reasons: [Message] = []
    var data: UnsafePointer<CChar>?
    var flags: CInt = 0
    while case let code = ERR_get_error_all(nil, nil, nil, &data, &flags), code != 0 {
      let library = ERR_lib_error_string(code).map { String(cString: $0) } ?? "library \(code >> 23 & 0xff)"
      let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "reason \(code & 0x7f_ffff)"
      let detail = data.map { String(cString: $0) } ?? ""
      let text = "\(library): \(reason)" + (flags & ERR_TXT_STRING != 0 && !detail.isEmpty ? " (\(detail))" : "")
      reasons.append(Message(verbatim: text))
    }
    return CryptoError(kind, operation, reasons)
  }
}
