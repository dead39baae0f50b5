// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import COpenSSL
internal import Messages

/// Keys that are named by a URI rather than by a file.
enum Token {
  private static let scheme = "pkcs11:"
  private static let operation: Message = "cannot load a private key from the given URI"

  /// Whether this libcrypto reaches PKCS #11 tokens by a provider; older ones do by an engine.
  private static var usesProvider: Bool { OpenSSL_version_num() >= 0x3020_0000 }

  /// The Debian packages that reach PKCS #11 tokens.
  static var packages: String { usesProvider ? "pkcs11-provider p11-kit-modules" : "libengine-pkcs11-openssl" }

  /// The private key of a URI.
  ///
  /// libcrypto's own store knows a PKCS #11 token only if a provider was activated in its configuration. If not, the
  /// provider is loaded here, else the engine.
  static func key(of uri: String, passphrase source: PassphraseSource) throws(CryptoError) -> OpaquePointer {
    // Libraries for tokens ask on the terminal if the callback has no answer, which would block a hook.
    UI_set_default_method(UI_null())
    var (key, request) = source.withRequest { stored(uri, passphraseArgument: $0) }
    let isToken = uri.lowercased().hasPrefix(scheme)
    if key == nil, request == .none, isToken, OSSL_PROVIDER_available(nil, "pkcs11") != 1 {
      ErrorQueue.clear()
      if loadProvider() {
        (key, request) = source.withRequest { stored(uri, passphraseArgument: $0) }
      } else {
        ErrorQueue.clear()
        var isThere: CInt = 0
        (key, request) = source.withLastingRequest { engineKey(uri, passphraseArgument: $0, &isThere) }
        guard isThere == 1 else {
          ErrorQueue.clear()
          throw CryptoError(.tokenSupport, operation, ["support for tokens is not installed"])
        }
      }
    }
    guard let key else { throw failure(request, isToken: isToken) }
    ErrorQueue.clear()
    return key
  }

  /// The error in libcrypto's queue: `passphrase` without a reason if the token does not say whether it rejects the PIN or
  /// lacks the key.
  private static func failure(_ request: PassphraseSource.Request, isToken: Bool) -> CryptoError {
    var failure = ErrorQueue.drain(operation, .keyURI)
    // libcrypto tried the URI as a file, too.
    if isToken { failure.reasons.removeAll { $0.description.hasPrefix("system library") } }
    let isRejected = failure.reasons.contains { $0.description.lowercased().contains(bytes: "pin incorrect") }
    switch request {
    case .unanswered: failure.kind = .passphrase
    case .answered where !isToken || isRejected || failure.reasons.isEmpty: failure.kind = .passphrase
    case .none, .answered: break
    }
    // Some reasons quote the URI, which may contain a PIN. The first of the others is the cause.
    failure.reasons.removeAll { $0.description.contains(bytes: "pin-value") }
    failure.reasons.removeLast(max(0, failure.reasons.count - 1))
    return failure
  }

  /// Loads the provider.
  ///
  /// Once one is loaded by name, libcrypto no longer adds its default one by itself.
  private static func loadProvider() -> Bool {
    usesProvider && OSSL_PROVIDER_load(nil, "default") != nil && OSSL_PROVIDER_load(nil, "pkcs11") != nil
  }

  private static func engineKey(
    _ uri: String, passphraseArgument argument: UnsafeMutableRawPointer, _ isThere: inout CInt
  ) -> OpaquePointer? {
    // The engine keeps both.
    guard let method = UI_UTIL_wrap_read_pem_callback(readPassphrase, 0) else { return nil }
    return psu_engine_key("pkcs11", uri, method, argument, &isThere)
  }

  private static func stored(
    _ uri: String, passphraseArgument argument: UnsafeMutableRawPointer
  ) -> OpaquePointer? {
    ErrorQueue.clear()
    guard let method = UI_UTIL_wrap_read_pem_callback(readPassphrase, 0) else { return nil }
    defer { UI_destroy_method(method) }
    guard let store = OSSL_STORE_open_ex(uri, nil, nil, method, argument, nil, nil, nil) else { return nil }
    defer { OSSL_STORE_close(store) }
    while OSSL_STORE_eof(store) == 0 {
      guard let info = OSSL_STORE_load(store) else {
        if OSSL_STORE_error(store) != 0 { return nil }
        continue
      }
      defer { OSSL_STORE_INFO_free(info) }
      if OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY { return OSSL_STORE_INFO_get1_PKEY(info) }
    }
    return nil
  }
}

extension PrivateKey {
  /// Loads a key from an OSSL_STORE URI: `file:`, `pkcs11:`, `handle:` or any scheme of the loaded providers.
  ///
  /// Throws `passphrase` if the PIN is missing or wrong, `tokenSupport` if nothing is installed that reaches the token,
  /// else `keyURI`.
  package convenience init(storeURI uri: String, passphrase source: PassphraseSource) throws(CryptoError) {
    self.init(owning: try Token.key(of: uri, passphrase: source))
  }
}
