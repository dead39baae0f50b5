// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL

/// Where the passphrase of an encrypted key comes from.
///
/// Never from argv or the process environment.
package struct PassphraseSource: Sendable {
  private let provide: @Sendable () -> [UInt8]?

  /// `provide` is called at most once per load, and only for an encrypted key; nil means no passphrase.
  package init(_ provide: @escaping @Sendable () -> [UInt8]?) { self.provide = provide }

  /// No passphrase: an encrypted key is an error and never causes a prompt.
  package static let none = PassphraseSource { nil }

  /// The passphrase for a container whose functions take it as text, which the caller wipes; empty if there is none.
  package func reveal() -> [UInt8] { provide() ?? [] }

  /// Runs `body` with the argument for `readPassphrase`, and reports whether a passphrase was requested.
  func withCallback<R>(_ body: (_ argument: UnsafeMutableRawPointer) -> R) -> (result: R, asked: Bool) {
    let state = CallbackState(source: self)
    let result = body(Unmanaged.passUnretained(state).toOpaque())
    return withExtendedLifetime(state) { (result, state.asked) }
  }

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
  var asked = false
  init(source: PassphraseSource) { self.source = source }
}

/// The callback for every load: libcrypto's default reads from the terminal, which would block a hook forever.
func readPassphrase(
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: CInt, _ isWriting: CInt, _ argument: UnsafeMutableRawPointer?
) -> CInt {
  guard let buffer, let argument, size > 0 else { return -1 }
  let state = Unmanaged<CallbackState>.fromOpaque(argument).takeUnretainedValue()
  state.asked = true
  return state.source.fill(UnsafeMutableBufferPointer(start: buffer, count: Int(size)))
}
