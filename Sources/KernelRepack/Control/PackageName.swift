// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import DebianArchive
internal import DebianPackage
package import Messages

/// Name and version of a package before and after repacking.
package struct PackageName: Sendable {
  /// Sorts above the version it is appended to, and below each of its successors: `+0` is the lowest number after a plus
  /// sign, and Debian and Proxmox start their suffixes with a letter.
  package static let defaultSuffix = "+0sb1"
  /// How Debian and Proxmox continue a version: a rebuild, an update of a stable release, a build by Proxmox, an upload
  /// by another maintainer.
  ///
  /// A digit continues the version's last number.
  private static let successors = ["+b1", "+deb12u1", "+pmx1", "+pve1", ".1"]

  package let old: String
  package let new: String
  let oldVersion: String
  package let newVersion: String

  var isRenamed: Bool { old != new }

  /// Throws `Failure` for a name that proxmox-boot-tool or dpkg would misread, and for a version that does not sort
  /// between the old one and the next build.
  package init(_ identity: ControlStanza.Identity, naming: PackageNaming, suffix: String) throws {
    old = identity.package
    oldVersion = identity.version
    new = try Self.name(identity.package, naming)
    newVersion = oldVersion + suffix
    guard suffix.utf8.allSatisfy(Self.isSuffixByte) else {
      throw Failure(
        "\(suffix) is not a valid version suffix",
        hint: "use only letters, digits, +, . and ~ in --version-suffix, such as \(Self.defaultSuffix)")
    }
    let repacked = DebianVersion(newVersion)
    guard DebianVersion(oldVersion) < repacked || suffix.isEmpty && isRenamed else {
      throw Failure(
        "version \(newVersion) is not newer than \(oldVersion); apt would not install it", hint: Self.suffixHint)
    }
    let next = Self.successors.map { oldVersion + $0 } + [Self.nextBuild(after: oldVersion)].compactMap { $0 }
    if let later = next.first(where: { !(repacked < DebianVersion($0)) }) {
      throw Failure(
        "version \(newVersion) is not older than \(later); apt would not install such an update",
        hint: Self.suffixHint)
    }
  }

  private static let suffixHint: Message = "use a --version-suffix that starts with +0, such as \(defaultSuffix)"

  /// A note on versions that sort below the new one, although they may be newer; nil if there are none.
  ///
  /// Debian and Proxmox do not put a letter directly after a version, but Ubuntu does, as in `-1ubuntu1`.
  package var warning: Message? {
    let revision = oldVersion.utf8.split(separator: UInt8(ascii: "-")).last ?? oldVersion.utf8[...]
    let own = revision.prefix { $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "~") }
    let isLettered = zip(own, own.dropFirst()).contains { Self.isDigit($0) && Self.isLetter($1) }
    guard isLettered, DebianVersion(newVersion) >= DebianVersion(oldVersion + "build1") else { return nil }
    return """
      apt would not upgrade from version \(newVersion) to one with a letter after \(oldVersion), such as \
      \(oldVersion)build1
      """
  }

  /// The file name that dpkg-name uses.
  package func fileName(_ architecture: String) -> String {
    let identity = ControlStanza.Identity(package: new, version: newVersion, architecture: architecture)
    return identity.fileName
  }

  private static func name(_ package: String, _ naming: PackageNaming) throws -> String {
    switch naming {
    case .keep: return package
    case .asSigned:
      guard isProxmoxKernel(package) else {
        throw Failure(
          "\(package) is not a Proxmox kernel; --as-signed works only for these",
          hint: "omit --as-signed, or set another name with --rename-suffix")
      }
      return package.hasSuffix("-signed") ? package : package + "-signed"
    case .suffix(let suffix):
      if isProxmoxKernel(package) {
        if suffix == "-signed" { return try name(package, .asSigned) }
        throw Failure(
          """
          proxmox-boot-tool would misread \(package)\(suffix): it takes the text after proxmox-kernel- as a kernel \
          version, does not find that kernel and drops a bootable one
          """,
          hint: "keep the name, or use --as-signed for the name that Proxmox gives its signed kernels")
      }
      guard !suffix.isEmpty,
        suffix.utf8.allSatisfy({ (0x61...0x7a).contains($0) || isDigit($0) || "+-.".utf8.contains($0) })
      else {
        throw Failure(
          "\(suffix) is not a valid package name suffix",
          hint: "use only lower-case letters, digits, +, - and . in --rename-suffix, such as -acme")
      }
      return package + suffix
    }
  }

  /// Whether proxmox-boot-tool reads the rest of the name as a kernel version.
  package static func isProxmoxKernel(_ package: String) -> Bool {
    ["proxmox-kernel-", "pve-kernel-"].contains { prefix in
      guard package.hasPrefix(prefix) else { return false }
      return package.utf8.dropFirst(prefix.utf8.count).first.map(isDigit) ?? false
    }
  }

  /// The version with its last number increased by one: the lowest version that the next build can have.
  package static func nextBuild(after version: String) -> String? {
    let bytes = Array(version.utf8)
    guard let last = bytes.lastIndex(where: isDigit) else { return nil }
    let start = bytes[...last].lastIndex { !isDigit($0) }.map { $0 + 1 } ?? 0
    guard let number = Int(String(decoding: bytes[start...last], as: UTF8.self)), number < .max else { return nil }
    return String(decoding: bytes[..<start], as: UTF8.self) + "\(number + 1)"
      + String(decoding: bytes[(last + 1)...], as: UTF8.self)
  }

  private static func isSuffixByte(_ byte: UInt8) -> Bool {
    isDigit(byte) || isLetter(byte) || "+.~".utf8.contains(byte)
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
