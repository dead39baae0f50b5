// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

extension TarEntry {
  /// Throws `ParseError` if its name or link leads out of the archive, or cannot be printed.
  ///
  /// A symbolic link may be absolute: Debian Policy 10.5 asks for it between top-level directories. One that climbs above
  /// the root is refused.
  package func requireSafeNames() throws(ParseError) {
    try require(path, rawName, "the name")
    if path.bytes.isEmpty, kind != .directory {
      throw ParseError(TarHeaderBlock.format, at: headerOffset, "path", "an entry other than the root has no name")
    }
    switch kind {
    case .hardLink:
      try require(linkPath, rawLink, "the link")
      guard !linkPath.bytes.isEmpty else { throw outside }
    case .symbolicLink:
      guard !rawLink.isEmpty, linkPath.hazard != .controlCharacter, linkPath.hazard != .tooLong, !linkClimbsOut else {
        throw outside
      }
    default: break
    }
  }

  private var outside: ParseError {
    ParseError(
      TarHeaderBlock.format, at: headerOffset, "path", "\(path) is a link out of the package, to \(linkPath)")
  }

  private func require(_ path: ArchivePath, _ raw: [UInt8], _ what: Message) throws(ParseError) {
    guard let hazard = path.hazard else { return }
    let name = ArchivePath.printable(raw.prefix(256))
    throw ParseError(
      TarHeaderBlock.format, at: headerOffset, "path", "\(what) \(name) is not safe: it \(hazard.message)")
  }

  /// Whether a relative link leads above the root at any step, taken from where it stands.
  private var linkClimbsOut: Bool {
    var depth = rawLink.first == UInt8(ascii: "/") ? 0 : path.parents.count
    for component in rawLink.split(separator: UInt8(ascii: "/")) where !component.elementsEqual([UInt8(ascii: ".")]) {
      depth += component.elementsEqual("..".utf8) ? -1 : 1
      if depth < 0 { return true }
    }
    return false
  }
}

extension ArchivePath.Hazard: MessageConvertible {
  package var message: Message {
    switch self {
    case .absolute: "begins with a slash"
    case .parent: "has a component .."
    case .emptyComponent: "has an empty component"
    case .controlCharacter: "has a control character in it"
    case .tooLong: "is longer than a system takes"
    }
  }
}
