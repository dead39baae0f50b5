// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The files of an owner's keys in a directory, as other tools name them.
///
/// Known are sbctl, sicherboot, the scripts with `keys` and `certs`, those that keep everything in one directory, the key
/// of a MOK, and pve-sb-uki's own directory.
package struct KeyLayout: Sendable {
  package struct Source: Hashable, Sendable {
    /// A file with the private key: PEM, DER or PKCS#12; nil if it is kept elsewhere.
    package var key: String?
    /// The certificate; nil if it is in the file of the key.
    package var certificate: String?

    package init(key: String?, certificate: String?) {
      self.key = key
      self.certificate = certificate
    }

    fileprivate var hasCertificate: Bool {
      certificate != nil || Form.containers.contains { key?.hasSuffix(".\($0)") ?? false }
    }
  }

  package private(set) var sources: [KeyRole: Source] = [:]
  /// The file with the owner GUID; nil if there is none.
  package private(set) var ownerFile: String?
  /// The file with the time of the latest update, which only pve-sb-uki writes.
  package private(set) var updateTimeFile: String?

  /// Looks for the files; `sources` is empty if no layout fits.
  ///
  /// Throws `HostError` if the directory cannot be read.
  package init(in directory: String, of files: FileSystem) throws {
    let fitting = try Form.all.map { ($0, try $0.sources(in: directory, files)) }.filter { !$0.1.isEmpty }
    // With private keys only, the certificates may be where another layout has them.
    guard let (form, found) = fitting.first(where: { $0.1.values.allSatisfy(\.hasCertificate) }) ?? fitting.first else {
      return
    }
    sources = found
    ownerFile = try Self.first(form.owners.map { PathName.join(directory, $0) }, files)
    updateTimeFile = try Self.first([PathName.join(directory, KeyStore.updateTimeFile)], files)
  }

  fileprivate static func first(_ paths: [String], _ files: FileSystem) throws -> String? {
    try paths.first { try files.exists($0) }
  }

  /// How a tool arranges its files.
  fileprivate struct Form {
    /// Directories of private keys and of certificates, in which `*` is the name of the role.
    let keys: String
    let certificates: String
    var owners = ["GUID", "GUID.txt", "guid.txt", "guid", "myGUID.txt"]
    /// The names of each role.
    var names: [KeyRole: [String]] = [
      .platformKey: ["PK", "pk"], .keyExchangeKey: ["KEK", "kek"], .signatureDatabase: ["db", "DB"],
    ]

    static let all: [Form] = {
      let mok: [KeyRole: [String]] = [.signatureDatabase: ["MOK", "mok"]]
      return [
        Form(keys: "keys/*", certificates: "keys/*"), Form(keys: "*", certificates: "*", owners: ["GUID", "../GUID"]),
        Form(keys: "keys", certificates: "certs"),
        Form(keys: "sb/keys", certificates: "sb/certs", owners: ["sb/GUID.txt", "sb/GUID"]),
        Form(keys: "", certificates: ""), Form(keys: "keys", certificates: "keys"),
        Form(keys: "", certificates: "", names: mok),
      ]
    }()

    static let containers = ["p12", "pfx"]
    private static let privateKeys = ["key", "priv"]
    private static let certificateFiles = ["crt", "pem", "cer", "der", "cert", "pub"]

    func sources(in directory: String, _ files: FileSystem) throws -> [KeyRole: Source] {
      var found: [KeyRole: Source] = [:]
      for role in KeyRole.allCases {
        for name in names[role] ?? [] where found[role] == nil {
          func file(_ place: String, _ suffixes: [String]) throws -> String? {
            let parent = place == "*" ? name : place == "keys/*" ? "keys/\(name)" : place
            let base = parent.isEmpty ? directory : PathName.join(directory, parent)
            return try KeyLayout.first(suffixes.map { PathName.join(base, "\(name).\($0)") }, files)
          }
          let key = try file(keys, Self.privateKeys) ?? file(keys, Self.containers)
          let certificate = try file(certificates, Self.certificateFiles)
          if key != nil || certificate != nil { found[role] = Source(key: key, certificate: certificate) }
        }
      }
      return found
    }
  }
}
