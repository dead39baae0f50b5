// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import Messages

/// The parts of a UKI.
package struct ImageRecipe: Sendable {
  package var stub: NamedInput
  package var linux: NamedInput
  /// Initial RAM disks in loading order; at least one.
  package var initrds: [NamedInput]
  /// Microcode as an uncompressed cpio archive; it is loaded first.
  package var microcode: NamedInput?
  /// The command line without a final newline; if nil, the program that starts the UKI passes one.
  package var commandLine: [UInt8]?
  package var osRelease: NamedInput?
  /// `uname -r` of the kernel; if nil, it is read from the kernel.
  package var uname: String?
  package var splash: NamedInput?
  /// SBAT lines in addition to those of stub, kernel and the UKI itself.
  package var sbat: NamedInput?
  /// Additional sections in order.
  package var extraSections: [(name: String, content: NamedInput)]
  /// Variants with other command lines, from profile 1 on; with any, the UKI needs a command line of its own.
  package var profiles: [ImageProfile] = []

  package init(stub: NamedInput, linux: NamedInput, initrds: [NamedInput]) {
    self.stub = stub
    self.linux = linux
    self.initrds = initrds
    extraSections = []
  }
}

/// Input bytes with the user's name for them, for error messages.
package struct NamedInput: Sendable {
  package let name: String
  package let bytes: any RandomAccessBytes

  package init(name: String, bytes: any RandomAccessBytes) {
    self.name = name
    self.bytes = bytes
  }

  /// Runs `body` and converts a `ParseError`, which has no file name, to an `ImageError` with the input's name.
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
      throw ImageError(kind, "\(name) has \(bytes.count) bytes; the maximum is \(limit)")
    }
    return try bytes.readBytes(at: 0, count: bytes.count, format: name)
  }
}
