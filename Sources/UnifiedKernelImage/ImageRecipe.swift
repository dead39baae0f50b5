// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// What goes into a Unified Kernel Image.
package struct ImageRecipe: Sendable {
  package var stub: NamedInput
  package var linux: NamedInput
  /// Initial RAM disks in loading order; at least one.
  package var initrds: [NamedInput]
  /// Microcode as an uncompressed cpio archive; it is loaded before everything else.
  package var microcode: NamedInput?
  /// Without a final newline; nil leaves the choice to whatever starts the image.
  package var commandLine: [UInt8]?
  package var osRelease: NamedInput?
  /// `uname -r` of the kernel; nil takes what the kernel says.
  package var uname: String?
  package var splash: NamedInput?
  /// SBAT lines beside those of stub and kernel and the UKI's own.
  package var sbat: NamedInput?
  /// Further sections in order.
  package var extraSections: [(name: String, content: NamedInput)]

  package init(stub: NamedInput, linux: NamedInput, initrds: [NamedInput]) {
    self.stub = stub
    self.linux = linux
    self.initrds = initrds
    extraSections = []
  }
}

/// Bytes with the name under which the user gave them, which errors repeat.
package struct NamedInput: Sendable {
  package let name: String
  package let bytes: any RandomAccessBytes

  package init(name: String, bytes: any RandomAccessBytes) {
    self.name = name
    self.bytes = bytes
  }

  /// What `body` makes of the input.
  ///
  /// A `ParseError`, which does not know whose bytes they are, becomes an `ImageError` that says so.
  func parsed<Value>(_ kind: ImageRule, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as ParseError {
      throw ImageError(kind, "\(name): \(error)")
    }
  }

  /// The whole content.
  ///
  /// Throws `ImageError` if it is longer than `limit` bytes.
  func contents(limit: Int, of kind: ImageRule) throws -> [UInt8] {
    guard bytes.count <= limit else {
      throw ImageError(kind, "\(name) has \(bytes.count) bytes, more than the \(limit) that are sensible")
    }
    return try bytes.readBytes(at: 0, count: bytes.count, format: name)
  }
}
