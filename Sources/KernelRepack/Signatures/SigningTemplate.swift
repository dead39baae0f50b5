// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive
package import Messages

/// The list of files to sign in a package `*-signed-template`: its `files.json`, as the signing services of Debian and
/// Proxmox read it (https://wiki.debian.org/SecureBoot/Discussion).
package struct SigningTemplate {
  struct Package {
    let name: String
    /// SHA-256 fingerprints of the built-in certificates that the code to be signed trusts.
    let trustedCertificates: [String]
    let files: [File]
  }

  struct File {
    let kind: SignatureKind
    let path: ArchivePath
  }

  /// Sorted by name.
  let packages: [Package]

  static let directory = "usr/share/code-signing/"
  static let fileName = "files.json"
  /// The maximum size in bytes.
  ///
  /// The file of Debian 10 listed every module and had 900 KB.
  static let sizeLimit = 16 << 20

  /// Throws `ParseError` for text that is not JSON, lacks a member, or has a member of another type.
  package init(parsing text: [UInt8]) throws(ParseError) {
    guard let packages = try JSONValue(parsing: text)["packages"]?.object else {
      throw Self.error("the object 'packages' is missing")
    }
    var list: [Package] = []
    for (name, value) in packages.sorted(by: { $0.key < $1.key }) { list.append(try Self.package(name, value)) }
    self.packages = list
  }

  private static func package(_ name: String, _ value: JSONValue) throws(ParseError) -> Package {
    guard isPackageName(name) else { throw error("'\(name)' is not a valid package name") }
    guard let entries = value["files"]?.array else { throw error("package \(name): the list 'files' is missing") }
    var files: [File] = []
    var paths: Set<ArchivePath> = []
    for entry in entries {
      guard let path = entry["file"]?.string.map({ ArchivePath($0) }), path.isConfined, !path.bytes.isEmpty else {
        throw error("package \(name): an entry has no 'file', or its path leads out of the package")
      }
      guard let kind = entry["sig_type"]?.string.flatMap({ SignatureKind(rawValue: $0) }) else {
        throw error("\(path): 'sig_type' must be 'efi' or 'linux-module'")
      }
      guard paths.insert(path).inserted else { throw error("package \(name) lists \(path) twice") }
      files.append(File(kind: kind, path: path))
    }
    let trusted = value["trusted_certs"]?.array ?? []
    let fingerprints = trusted.compactMap(\.string)
    guard fingerprints.count == trusted.count else {
      throw error("package \(name): 'trusted_certs' must contain only strings")
    }
    return Package(name: name, trustedCertificates: fingerprints, files: files)
  }

  /// Whether `name` conforms to Debian Policy 5.6.1.
  ///
  /// It is also used as a directory name.
  private static func isPackageName(_ name: String) -> Bool {
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let first = name.utf8.first, letters.contains(first) || digits.contains(first) else { return false }
    return name.utf8.count <= 200
      && name.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || "+-.".utf8.contains($0) }
  }

  private static func error(_ detail: Message) -> ParseError { ParseError("files.json", at: 0, .unsupported, detail) }
}

/// The kind of file that is signed, and the format of its signature.
package enum SignatureKind: String, Hashable, Sendable {
  /// An EFI image. Authenticode: PKCS#7 in DER, as `sbsign --detached` writes and `sbattach --attach` reads it.
  case efi = "efi"
  /// A kernel module. PKCS#7 in DER over the module without its trailer, as Linux's `sign-file -d` writes it.
  case linuxModule = "linux-module"
}
