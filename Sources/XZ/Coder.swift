// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import CLZMA
package import Messages

/// A liblzma encoder or decoder, ended with the last reference.
final class Coder {
  var stream = lzma_stream()
  private let output = TransferBuffer()

  deinit { lzma_end(&stream) }

  /// Throws `XZError` unless `code` is `expected`.
  ///
  /// `operation` is the attempted operation, a verb in the infinitive.
  func require(_ code: lzma_ret, is expected: lzma_ret, operation: Message) throws(XZError) {
    guard code == expected else { throw Self.error(operation, code) }
  }

  /// Codes `input` to the end of `action`, and calls `body` with the output, piece by piece.
  func code(
    _ input: UnsafeRawBufferPointer, action: lzma_action, operation: Message,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    stream.next_in = input.bindMemory(to: UInt8.self).baseAddress
    stream.avail_in = input.count
    while true {
      stream.next_out = output.bytes.bindMemory(to: UInt8.self).baseAddress
      stream.avail_out = output.bytes.count
      let code = lzma_code(&stream, action)
      try body(UnsafeRawBufferPointer(rebasing: output.bytes[..<(output.bytes.count - stream.avail_out)]))
      if code == LZMA_STREAM_END { return }
      try require(code, is: LZMA_OK, operation: operation)
    }
  }

  /// Decodes `input`, which is a part of the data, and calls `body` with the output, piece by piece.
  ///
  /// Returns whether the data has ended.
  func decode(
    part input: UnsafeRawBufferPointer, operation: Message, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Bool {
    stream.next_in = input.bindMemory(to: UInt8.self).baseAddress
    stream.avail_in = input.count
    repeat {
      stream.next_out = output.bytes.bindMemory(to: UInt8.self).baseAddress
      stream.avail_out = output.bytes.count
      let code = lzma_code(&stream, LZMA_RUN)
      try body(UnsafeRawBufferPointer(rebasing: output.bytes[..<(output.bytes.count - stream.avail_out)]))
      if code == LZMA_STREAM_END { return true }
      try require(code, is: LZMA_OK, operation: operation)
    } while stream.avail_in > 0 || stream.avail_out == 0
    return false
  }

  static func error(_ operation: Message, _ code: lzma_ret) -> XZError {
    switch code {
    case LZMA_MEM_ERROR: XZError(.use, "cannot \(operation): out of memory", hint: "use a smaller number with --jobs")
    case LZMA_DATA_ERROR, LZMA_BUF_ERROR, LZMA_FORMAT_ERROR:
      XZError(.damage, "cannot \(operation): the data is damaged")
    case LZMA_OPTIONS_ERROR: XZError(.damage, "cannot \(operation): liblzma does not support the filters")
    default: XZError(.use, "cannot \(operation): liblzma failed with code \("\(code.rawValue)")")
    }
  }
}

/// A failed operation of liblzma, with a hint.
package typealias XZError = RuleError<XZRule>

package enum XZRule: ErrorRule {
  /// The data is damaged or not an xz stream.
  case damage
  /// The caller made a mistake, or memory ran out.
  case use
}
