// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// The content of PK, KEK, db, dbx and of an .esl file: signature lists one behind the other.
package struct SignatureDatabase: Hashable, Sendable {
  package var lists: [SignatureList]

  package init(lists: [SignatureList] = []) { self.lists = lists }

  /// Lists up to the end of the input; none in an empty one. Throws `ParseError` also for bytes that are no list.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    lists = []
    while !reader.isAtEnd { lists.append(try SignatureList(parsing: &reader)) }
  }

  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: SignatureList.format)
    try self.init(parsing: &reader)
  }

  /// A list for each certificate, all owned by `owner`, as cert-to-efi-sig-list makes them.
  package init(certificates: [[UInt8]], owner: GUID) {
    lists = certificates.map { SignatureList(type: .x509, signature: .init(owner: owner, data: $0)) }
  }

  /// All signatures of `type` in order.
  package func signatures(of type: SignatureType) -> [SignatureList.Signature] {
    lists.filter { $0.type == type }.flatMap(\.signatures)
  }

  package func serialize() -> [UInt8] {
    var writer = ByteWriter()
    for list in lists { list.serialize(into: &writer) }
    return writer.bytes
  }
}
