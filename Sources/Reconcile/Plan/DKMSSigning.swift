// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import SigningKeys

/// The settings that make dkms sign the modules it builds with pve-sb-uki's key.
///
/// A file in dkms's settings directory sets `mok_signing_key` and `mok_certificate`, the latter in DER (dkms 3.0 of
/// Debian 12 and 3.2 of Debian 13).
package struct DKMSSigning: Hashable, Sendable {
  /// Shell code that dkms sources in every run.
  package static let path = "/etc/dkms/framework.conf.d/pve-sb-uki.conf"
  package static let certificatePath = "/var/lib/pve-sb-uki/dkms.der"

  /// One of the two files.
  package struct Step: Hashable, Sendable {
    package let path: String
    /// Nil to remove it.
    package let content: [UInt8]?
  }

  /// The wanted files; empty if modules are not signed.
  private let files: [Step]

  /// Creates settings without any file.
  package init() { files = [] }

  /// `key` is the value of `Key=`, `certificate` its certificate in DER.
  ///
  /// Throws `BootEnvironmentError` for a key that dkms cannot use.
  package init(key: String, certificate: [UInt8]) throws {
    let isPath = key.hasPrefix("/")
    // A message must not show a URI, which may contain a PIN (RFC 7512 section 2.4). The dkms settings would not keep a
    // PIN secret.
    guard isPath || key.hasPrefix("pkcs11:") && !KeySource.holdsPIN(key) else {
      throw BootEnvironmentError(
        Configuration.path, "Dkms=yes, but dkms cannot use the key in Key=",
        hint: "set Dkms=no, or set Key= to a path or a pkcs11: URI without a PIN")
    }
    guard key.utf8.allSatisfy(Self.isPlain) else {
      throw BootEnvironmentError(
        Configuration.path, "Dkms=yes, but Key= has characters that dkms's settings do not support",
        hint: "use only letters, digits and /._-+:;=?&%@,~")
    }
    files = [
      Step(path: Self.certificatePath, content: certificate),
      Step(path: Self.path, content: Array(Self.text(key, isPath: isPath).utf8)),
    ]
  }

  /// The settings file.
  ///
  /// If only one of the two files exists, dkms overwrites it with a new pair. So the settings name them only if both
  /// exist.
  private static func text(_ key: String, isPath: Bool) -> String {
    """
    \(heading)
    # Dkms=yes in \(Configuration.path): modules are signed with the key of the images.
    if \(isPath ? "[ -f '\(key)' ] && " : "")[ -f '\(certificatePath)' ]; then
      mok_signing_key='\(key)'
      mok_certificate='\(certificatePath)'
    fi

    """
  }

  private static let heading = "# Written by pve-sb-uki; changes are lost."

  private static func isPlain(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "/._-+:;=?&%@,~".utf8.contains(byte)
  }

  /// The changes to make, in this order.
  ///
  /// A foreign file with that name is not removed.
  package func steps(from present: DKMSFiles) -> [Step] {
    guard files.isEmpty else { return files.filter { present.content(of: $0.path) != $0.content } }
    // Remove the settings before the file that they name.
    guard let settings = present.settings else {
      return present.certificate == nil ? [] : [Step(path: Self.certificatePath, content: nil)]
    }
    guard settings.starts(with: Self.heading.utf8) else { return [] }
    return [Self.path, Self.certificatePath].map { Step(path: $0, content: nil) }
  }
}

/// The current content of the two files; nil for a missing file.
package struct DKMSFiles: Hashable, Sendable {
  package let settings: [UInt8]?
  package let certificate: [UInt8]?

  private static let sizeLimit = 1 << 16

  /// Throws `HostError` if one cannot be read.
  package init(of files: FileSystem) throws {
    settings = try files.readFileIfPresent(DKMSSigning.path, limit: Self.sizeLimit)
    let path = DKMSSigning.certificatePath
    // An unreadable file differs from any wanted content.
    certificate = try files.exists(path) ? (try? files.readFileIfPresent(path, limit: Self.sizeLimit)) ?? [] : nil
  }

  fileprivate func content(of path: String) -> [UInt8]? { path == DKMSSigning.path ? settings : certificate }
}

extension DKMSSigning.Step: MessageConvertible {
  /// In the imperative.
  package var message: Message { content == nil ? "remove \(path)" : "write \(path)" }

  package func perform(on files: FileSystem) throws {
    guard let content else {
      try files.remove(path)
      return
    }
    try files.makeDirectory(PathName(path).directory)
    try files.replaceFile(path, content: content)
  }
}
