// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// A DER element whose parts a test can change; lengths are computed anew.
package struct DERTree: Sendable {
  package var tag: UInt8
  package var children: [DERTree]
  /// The contents of a primitive element.
  package var contents: [UInt8]

  package init(_ tag: UInt8, _ children: [DERTree]) {
    self.tag = tag
    self.children = children
    contents = []
  }

  /// The first element in `bytes`, which must be valid DER with tags of one byte.
  package init(parsing bytes: [UInt8]) {
    var rest = bytes[...]
    self = Self.read(&rest)
  }

  private static func read(_ bytes: inout ArraySlice<UInt8>) -> DERTree {
    let tag = bytes.removeFirst()
    var count = Int(bytes.removeFirst())
    if count > 0x80 {
      let digits = count & 0x7f
      count = bytes.prefix(digits).reduce(0) { $0 << 8 | Int($1) }
      bytes = bytes.dropFirst(digits)
    }
    var inner = bytes.prefix(count)
    bytes = bytes.dropFirst(count)
    var tree = DERTree(tag, [])
    if tag & 0x20 == 0 {
      tree.contents = Array(inner)
    } else {
      while !inner.isEmpty { tree.children.append(read(&inner)) }
    }
    return tree
  }

  package var bytes: [UInt8] { DER.element(tag, tag & 0x20 == 0 ? contents : children.flatMap(\.bytes)) }

  /// Adds an unsigned attribute with one value to the only signer of PKCS#7 signed data without such attributes.
  package static func adding(attribute type: [UInt8], _ value: [UInt8], to signature: [UInt8]) -> [UInt8] {
    var message = DERTree(parsing: signature)
    let attribute = DERTree(
      0x30, [DERTree(parsing: DER.element(0x06, type)), DERTree(0x31, [DERTree(parsing: value)])])
    // ContentInfo, [0], SignedData, SignerInfos, SignerInfo.
    let last = message.children[1].children[0].children.count - 1
    message.children[1].children[0].children[last].children[0].children.append(DERTree(0xa1, [attribute]))
    return message.bytes
  }
}
