// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import COpenSSL
internal import Messages

/// Calls `body` with a read-only BIO over `bytes`, which must not outlive the call.
func withReadOnlyBIO<R>(_ bytes: [UInt8], _ body: (OpaquePointer) throws(CryptoError) -> R) throws(CryptoError) -> R {
  guard let size = CInt(exactly: bytes.count) else {
    throw CryptoError(.malformed, "cannot read \(bytes.count) bytes", ["larger than any key or certificate"])
  }
  // The copy keeps the pointer valid during the call; it is wiped since it may contain a key.
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
  copy.copyBytes(from: bytes)
  defer {
    OPENSSL_cleanse(copy.baseAddress, copy.count)
    copy.deallocate()
  }
  guard let bio = BIO_new_mem_buf(copy.baseAddress, size) else { throw ErrorQueue.drain("cannot read from memory") }
  defer { BIO_free(bio) }
  return try body(bio)
}

/// Returns what `body` writes to a memory BIO.
///
/// Throws the error queue as an error of `operation` unless `body` returns 1.
func collectFromBIO(_ operation: Message, _ body: (OpaquePointer) -> CInt) throws(CryptoError) -> [UInt8] {
  ErrorQueue.clear()
  guard let bio = BIO_new(BIO_s_secmem()) else { throw ErrorQueue.drain(operation) }
  defer { BIO_free(bio) }
  guard body(bio) == 1 else { throw ErrorQueue.drain(operation) }
  var data: UnsafeMutablePointer<CChar>?
  let count = psu_BIO_get_mem_data(bio, &data)
  guard let data, count > 0 else { return [] }
  return Array(UnsafeRawBufferPointer(start: data, count: count))
}

/// Returns the DER encoding that an `i2d_` function writes.
///
/// Throws the error queue as an error of `operation`.
func encodeDER(
  _ operation: Message, _ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> CInt
) throws(CryptoError) -> [UInt8] {
  ErrorQueue.clear()
  let size = encode(nil)
  guard size > 0 else { throw ErrorQueue.drain(operation) }
  var bytes = [UInt8](repeating: 0, count: Int(size))
  let written = bytes.withUnsafeMutableBufferPointer { buffer in
    var cursor = buffer.baseAddress
    return encode(&cursor)
  }
  guard written == size else { throw ErrorQueue.drain(operation) }
  return bytes
}
