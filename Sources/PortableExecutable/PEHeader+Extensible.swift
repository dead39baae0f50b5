// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

extension PEHeader {
  /// Throws `unsupported` for an image with parts that a new layout would lose or leave pointing at the wrong place.
  func requireExtensible() throws(LayoutError) {
    guard certificateTableRange == nil else {
      throw LayoutError(.unsupported, "the image is signed; an unsigned one is needed to build upon")
    }
    let tableEnd = sectionTableOffset + sections.count * SectionHeader.size
    guard bytes[tableEnd...].allSatisfy({ $0 == 0 }) else {
      throw LayoutError(.unsupported, "there is data of unknown meaning behind the image's section table")
    }
    if directories.count > DataDirectory.debug, directories[DataDirectory.debug].size != 0 {
      throw LayoutError(.unsupported, "the image has a debug directory, which holds file offsets")
    }
    guard sections.allSatisfy({ !$0.name.hasPrefix("/") }) else {
      throw LayoutError(.unsupported, "the image keeps section names in its string table")
    }
    let symbols = Int(symbolTablePointer)
    let hasOnlySymbolsBehind = symbolTablePointer != 0 && symbols >= endOfSections && symbols <= fileSize
    guard fileSize == endOfSections || hasOnlySymbolsBehind else {
      throw LayoutError(.unsupported, "there is data of unknown meaning behind the image's last section")
    }
  }
}
