// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import Messages

extension ControlStanza {
  /// The stanza of the repacked package. `growth` is that of Installed-Size in KiB; `signer` goes into the description.
  func repacked(as name: PackageName, growth: Int, signer: String) throws(ParseError) -> ControlStanza {
    var stanza = self
    try stanza.setSource(name)
    try stanza.set("Version", to: name.newVersion)
    if let size = self["Installed-Size"].flatMap({ Int($0) }), size >= 0, size < 1 << 40 {
      try stanza.set("Installed-Size", to: "\(max(0, size + growth))")
    }
    if name.isRenamed {
      try stanza.set("Package", to: name.new)
      try stanza.setRelations(name)
    }
    try stanza.describe(name, signer: signer)
    return stanza
  }

  /// The source is still that of the input, and has its version (Debian Policy 5.6.1), as for a binary-only upload.
  private mutating func setSource(_ name: PackageName) throws(ParseError) {
    let source = self["Source"] ?? name.old
    guard !source.utf8.contains(UInt8(ascii: "(")) else { return }
    try set("Source", to: "\(source) (\(name.oldVersion))", after: "Package")
  }

  /// The new package takes the old one's place.
  private mutating func setRelations(_ name: PackageName) throws(ParseError) {
    let isProxmox = PackageName.isProxmoxKernel(name.old)
    // Proxmox's own signed packages do not provide the name that kernels had before 8.0.
    let provided = relations("Provides").filter { !isProxmox || !$0.hasPrefix("pve-kernel-") }
    try setRelations("Provides", provided + [isProxmox ? name.old : "\(name.old) (= \(name.newVersion))"])
    try setRelations("Conflicts", relations("Conflicts") + [name.old])
    try setRelations("Replaces", relations("Replaces") + [name.old])
  }

  /// The field's items, as far as they are not the package's own new name.
  private func relations(_ field: String) -> [String] {
    (self[field] ?? "").split(separator: ",").map { item in
      String(decoding: item.utf8.filter { $0 != 0x0a }, as: UTF8.self).trimmed
    }.filter { !$0.isEmpty }
  }

  private mutating func setRelations(_ field: String, _ items: [String]) throws(ParseError) {
    var unique: [String] = []
    for item in items where !unique.contains(item) { unique.append(item) }
    try set(field, to: unique.joined(separator: ", "), after: "Depends")
  }

  private mutating func describe(_ name: PackageName, signer: String) throws(ParseError) {
    guard let description = self["Description"] else { return }
    var lines = description.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if name.isRenamed, name.new.hasSuffix("-signed"), !lines[0].hasSuffix("(signed)") { lines[0] += " (signed)" }
    let shown = String(String.UnicodeScalarView(signer.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    lines += [" .", " Repacked with signatures of \(shown)."]
    try set("Description", to: lines.joined(separator: "\n"))
  }
}

extension String {
  fileprivate var trimmed: String {
    let blank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
    let trimmed = utf8.drop(while: blank).reversed().drop(while: blank).reversed()
    return String(decoding: Array(trimmed), as: UTF8.self)
  }
}
