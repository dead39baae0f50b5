// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL

/// Where the passphrase of an encrypted key comes from.
///
/// Never from argv or the process environment.
package struct PassphraseSource: Sendable {
  private let provide: @Sendable () -> [UInt8]?

  /// `provide` is called only for an encrypted key, once per load; nil means no passphrase.
  ///
  /// A token may ask again before each signature.
  package init(_ provide: @escaping @Sendable () -> [UInt8]?) { self.provide = provide }

  /// No passphrase: an encrypted key is an error and never causes a prompt.
  package static let none = PassphraseSource { nil }

  /// Whether a passphrase was requested, and whether there was one.
  enum Request {
    case none, unanswered, answered
  }

  /// Runs `body` with the argument for `readPassphrase`, and reports whether a passphrase was requested.
  func withCallback<R>(_ body: (_ argument: UnsafeMutableRawPointer) -> R) -> (result: R, asked: Bool) {
    let (result, request) = withRequest(body)
    return (result, request != .none)
  }

  /// As `withCallback`.
  func withRequest<R>(_ body: (_ argument: UnsafeMutableRawPointer) -> R) -> (result: R, request: Request) {
    let state = CallbackState(source: self)
    let result = body(Unmanaged.passUnretained(state).toOpaque())
    return withExtendedLifetime(state) { (result, state.request) }
  }

  /// As `withRequest`, but the argument remains valid: an engine keeps it for later questions, such as before each
  /// signature with some tokens.
  func withLastingRequest<R>(_ body: (_ argument: UnsafeMutableRawPointer) -> R) -> (result: R, request: Request) {
    let state = CallbackState(source: self)
    return (body(Unmanaged.passRetained(state).toOpaque()), state.request)
  }

  /// The passphrase, which the caller wipes; nil if there is none.
  package func bytes() -> [UInt8]? { provide() }

  fileprivate func fill(_ buffer: UnsafeMutableBufferPointer<CChar>) -> CInt {
    guard var secret = provide() else { return -1 }
    defer { secret.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
    guard secret.count <= buffer.count else { return -1 }
    UnsafeMutableRawBufferPointer(buffer).copyBytes(from: secret)
    return CInt(secret.count)
  }
}

private final class CallbackState {
  let source: PassphraseSource
  var request = PassphraseSource.Request.none
  init(source: PassphraseSource) { self.source = source }
}

/// The callback for every load: libcrypto's default reads from the terminal, which would block a hook forever.
func readPassphrase(
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: CInt, _ isWriting: CInt, _ argument: UnsafeMutableRawPointer?
) -> CInt {
  guard let buffer, let argument, size > 0 else { return -1 }
  let state = Unmanaged<CallbackState>.fromOpaque(argument).takeUnretainedValue()
  let count = state.source.fill(UnsafeMutableBufferPointer(start: buffer, count: Int(size)))
  state.request = count < 0 ? .unanswered : .answered
  return count
}
