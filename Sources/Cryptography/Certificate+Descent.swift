// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

extension Certificate {
  /// Whether this is `anchor` or a certificate that it issued, over none in between.
  ///
  /// As EDK2 does: any certificate can be an anchor, validity dates and purposes are not looked at.
  package func descends(from anchor: Certificate) throws(CryptoError) -> Bool {
    try descends(from: anchor, over: nil)
  }

  /// As above, over any of the certificates on the stack `others`.
  func descends(from anchor: Certificate, over others: OpaquePointer?) throws(CryptoError) -> Bool {
    ErrorQueue.clear()
    defer { ErrorQueue.clear() }
    guard let store = X509_STORE_new() else { throw ErrorQueue.drain("cannot check a certificate chain") }
    defer { X509_STORE_free(store) }
    guard let context = X509_STORE_CTX_new() else { throw ErrorQueue.drain("cannot check a certificate chain") }
    defer { X509_STORE_CTX_free(context) }
    guard
      X509_STORE_add_cert(store, anchor.pointer) == 1,
      X509_STORE_CTX_init(context, store, pointer, others) == 1
    else { throw ErrorQueue.drain("cannot check a certificate chain") }
    X509_STORE_CTX_set_flags(context, UInt(X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME))
    return X509_verify_cert(context) == 1
  }
}
