// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

extension TarEntry {
  /// Edits the size and checksum fields of the header to give the entry another size.
  ///
  /// The caller edits the content and its padding. Throws `ParseError` `unsupported` if the entry is not a regular file
  /// or has its size in a pax record.
  package func edits(size: Int) throws(ParseError) -> [ByteEdit] {
    guard kind == .file, size >= 0, !hasRecord("size") else {
      throw unsupported("cannot change the size of \(path) in place")
    }
    var field = TarNumber.serialize(size, width: TarHeaderBlock.sizeField.count)
    // Some writers end numbers with a space.
    if field.first != 0x80, header.bytes[TarHeaderBlock.sizeField].last == UInt8(ascii: " ") {
      field[field.count - 1] = UInt8(ascii: " ")
    }
    return header.edits([(TarHeaderBlock.sizeField, field)])
  }

  /// Edits that rename the entry, and for a hard link also change its target, keeping a leading `./` and the trailing `/`
  /// of a directory.
  ///
  /// In GNU archives, a name of more than 100 bytes gets a header extension. Throws `ParseError` `unsupported` for an
  /// unsafe name, for a name that does not fit in a ustar header, and if the entry has its name in a pax record.
  package func edits(renamedTo newPath: ArchivePath, linkedTo newLink: ArchivePath? = nil) throws(ParseError)
    -> [ByteEdit]
  {
    guard newPath.isConfined, !newPath.bytes.isEmpty, !path.bytes.isEmpty, !hasRecord("path"),
      !hasRecord("GNU.sparse.name"), newLink?.isConfined ?? true, newLink == nil || kind == .hardLink,
      newLink == nil || !hasRecord("linkpath")
    else { throw unsupported("cannot rename \(path) to \(newPath) in place") }
    let name = Self.spelled(newPath, like: rawName)
    let link = newLink.map { Self.spelled($0, like: rawLink) }
    if header.dialect == .gnu {
      var changes = [LongField(type: "L", field: TarHeaderBlock.nameField, text: name)]
      if let link { changes.append(LongField(type: "K", field: TarHeaderBlock.linkField, text: link)) }
      return gnuEdits(changes)
    }
    let isLong = name.count > TarHeaderBlock.nameField.count
    guard extensions.isEmpty, let split = isLong ? Self.split(name) : ([], name), !isLong || header.dialect == .ustar,
      link?.count ?? 0 <= TarHeaderBlock.linkField.count
    else { throw unsupported("the name \(newPath) does not fit in the header") }
    let prefix = header.dialect == .ustar ? [(TarHeaderBlock.prefixField, Self.padded(split.0, 155))] : []
    let target = link.map { [(TarHeaderBlock.linkField, Self.padded($0, 100))] } ?? []
    return header.edits([(TarHeaderBlock.nameField, Self.padded(split.1, 100))] + target + prefix)
  }

  private static func spelled(_ path: ArchivePath, like raw: [UInt8]) -> [UInt8] {
    (raw.starts(with: "./".utf8) ? Array("./".utf8) : []) + path.bytes
      + (raw.last == UInt8(ascii: "/") ? [UInt8(ascii: "/")] : [])
  }

  /// A new text for a field, and the type of the header extension that it needs if it is longer than the field.
  private struct LongField {
    var type: Unicode.Scalar
    var field: Range<Int>
    var text: [UInt8]
  }

  private func gnuEdits(_ changes: [LongField]) -> [ByteEdit] {
    var edits = header.edits(changes.map { ($0.field, Self.padded($0.text, $0.field.count)) })
    var replaced: [ByteEdit] = []
    var added: [UInt8] = []
    for change in changes {
      let long = change.text.count > change.field.count ? TarHeader.long(change.text, type: change.type) : []
      let old = extensions.filter { $0.type == UInt8(ascii: change.type) }.map { old in
        let end = old.contentRange.upperBound.roundedUp(toMultipleOf: TarHeaderBlock.size) ?? headerOffset
        return old.header.offset..<max(end, old.contentRange.upperBound)
      }
      if old.isEmpty { added += long }
      replaced += old.enumerated().map { ByteEdit(range: $1, replacement: $0 == old.count - 1 ? long : []) }
    }
    if !added.isEmpty {
      // The order of two edits at the same offset is undefined, so make it one edit.
      if let first = edits.first, first.range.lowerBound == headerOffset {
        edits[0].replacement = added + first.replacement
      } else {
        edits.insert(ByteEdit(range: headerOffset..<headerOffset, replacement: added), at: 0)
      }
    }
    return replaced.sorted { $0.range.lowerBound < $1.range.lowerBound } + edits
  }

  /// Splits a long name for ustar: a prefix of up to 155 bytes, a slash that is not written, and up to 100 bytes.
  private static func split(_ name: [UInt8]) -> ([UInt8], [UInt8])? {
    let slashes = name.indices.dropFirst().filter {
      name[$0] == UInt8(ascii: "/") && $0 <= 155 && (1...100).contains(name.count - $0 - 1)
    }
    return slashes.first.map { (Array(name[..<$0]), Array(name[($0 + 1)...])) }
  }

  private static func padded(_ text: [UInt8], _ width: Int) -> [UInt8] {
    Array(text.prefix(width)) + repeatElement(0, count: max(0, width - text.count))
  }

  private func hasRecord(_ key: String) -> Bool { paxRecords.contains { $0.key == key } }

  private func unsupported(_ detail: Message) -> ParseError {
    ParseError(TarHeaderBlock.format, at: headerOffset, .unsupported, detail)
  }
}

extension TarHeaderBlock {
  /// The edits that set fields and the checksum, sorted, limited to the bytes that change in each field.
  fileprivate func edits(_ changes: [(Range<Int>, [UInt8])]) -> [ByteEdit] {
    var new = bytes
    for (field, content) in changes { new.replaceSubrange(field, with: content) }
    new.replaceSubrange(Self.checksumField, with: Self.checksumField(of: new))
    let fields = (changes.map(\.0) + [Self.checksumField]).sorted { $0.lowerBound < $1.lowerBound }
    return fields.compactMap { field in
      let changed = field.filter { new[$0] != bytes[$0] }
      guard let first = changed.first, let last = changed.last else { return nil }
      return ByteEdit(range: offset + first..<offset + last + 1, replacement: Array(new[first...last]))
    }
  }
}
