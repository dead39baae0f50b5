// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Cryptography
internal import HostSystem

/// A use case that could not be carried out: one sentence that names the object, and what to do next.
package struct Failure: HintedError, Hashable {
  package var message: Message
  package var hint: Message?

  package init(_ message: Message, hint: Message? = nil) {
    self.message = message
    self.hint = hint
  }

  /// What a lower layer says about the file `name`.
  package init(_ name: String, _ cause: any Error) { self.init(of: Message(verbatim: name), cause) }

  /// The same about what is no file.
  package init(of object: Message, _ cause: any Error) {
    let hint = (cause as? any HintedError)?.hint ?? Self.hint(for: cause)
    let namesObject = (cause as? any ObjectNamingError)?.namesItsObject ?? (cause is HostError)
    self.init(namesObject ? Message(cause) : "\(object): \(cause)", hint: hint)
  }

  private static func hint(for error: any Error) -> Message? {
    guard let error = error as? CryptoError else { return nil }
    return switch error.kind {
    case .passphrase: "give its passphrase with --passphrase-file, or use a key without one"
    case .mismatch: "give the certificate that was made for this key with --cert"
    case .refused: "use an RSA key of at least 2048 bits with a certificate that is valid now; keys create makes one"
    default: nil
    }
  }
}

/// Runs `body` and turns what it throws into a failure about the file `name`.
package func describing<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
  do {
    return try body()
  } catch let failure as Failure {
    throw failure
  } catch {
    throw Failure(name, error)
  }
}
