// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// Bytes with the name under which the user gave them, which errors repeat.
package struct NamedInput: Sendable {
  package let name: String
  package let bytes: any RandomAccessBytes

  package init(name: String, bytes: any RandomAccessBytes) {
    self.name = name
    self.bytes = bytes
  }

  /// What `body` makes of the input. A `ParseError`, which does not know whose bytes they are, becomes an `ImageError`
  /// that says so.
  func parsed<Value>(_ kind: ImageRule, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as ParseError {
      throw ImageError(kind, "\(name): \(error)")
    }
  }

  /// The whole content. Throws `ImageError` if it is longer than `limit` bytes.
  func contents(limit: Int, of kind: ImageRule) throws -> [UInt8] {
    guard bytes.count <= limit else {
      throw ImageError(kind, "\(name) has \(bytes.count) bytes, more than the \(limit) that are sensible")
    }
    return try bytes.readBytes(at: 0, count: bytes.count, format: name)
  }
}
