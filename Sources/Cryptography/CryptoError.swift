// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
package import Messages

/// Why a cryptographic operation did not happen: the operation, what kind of failure, and libcrypto's whole error
/// queue, oldest first.
///
/// No secret can occur in one.
package struct CryptoError: HintedError, Hashable {
  /// What kind of failure; an open set.
  package struct Kind: Hashable, Sendable {
    private let name: String

    /// libcrypto failed; its reasons say why.
    package static let library = Kind(name: "library")
    /// The input is not of the form the operation takes.
    package static let malformed = Kind(name: "malformed")
    /// A key is encrypted and no passphrase, or a wrong one, was given.
    package static let passphrase = Kind(name: "passphrase")
    /// A key or certificate that firmware would refuse.
    package static let refused = Kind(name: "refused")
    /// A private key does not belong to a certificate.
    package static let mismatch = Kind(name: "mismatch")
  }

  package var kind: Kind
  /// The failed operation as the beginning of a sentence: `cannot read the private key`.
  package var operation: Message
  /// Reasons, most general last; libcrypto's in the form `PEM routines: no start line`.
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
    case .passphrase: "give its passphrase with --passphrase-file, or use a key without one"
    case .mismatch: "give the certificate that was made for this key with --cert"
    case .refused: "use an RSA key of at least 2048 bits with a certificate that is valid now; keys create makes one"
    default: nil
    }
  }
}

/// libcrypto's error queue of this thread.
enum ErrorQueue {
  /// Forgets what earlier operations left behind.
  static func clear() { ERR_clear_error() }

  /// Takes everything from the queue as an error of `operation`.
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
