// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

/// How a package is verified before it is repacked and signed.
package enum InputTrust: Sendable {
  case nothing
  /// A SHA-256 digest provided by the user, 32 bytes.
  case digest([UInt8])
  case release(SignedRelease)

  /// Parses a digest in hexadecimal.
  ///
  /// Throws `TrustError` unless it consists of exactly 64 digits.
  package static func sha256(_ text: String) throws(TrustError) -> InputTrust {
    guard let digest = [UInt8](hexadecimal: text), digest.count == 32 else {
      throw TrustError(
        .digest, "'\(text)' is not a SHA-256 digest", hint: "specify the 64 digits from sha256sum with --sha256")
    }
    return .digest(digest)
  }

  /// Verifies the package.
  ///
  /// Throws `TrustError` if verification fails, `HostError` if a file cannot be read.
  package func establish(for deb: DebIdentity, on host: Host) throws -> TrustFinding {
    switch self {
    case .nothing: return .unchecked
    case .digest(let digest):
      guard digest == deb.sha256 else {
        throw TrustError(
          .digest, "\(deb.path) has the SHA-256 digest \(deb.sha256.hexadecimal), not \(digest.hexadecimal)",
          hint: "download the package again, or correct --sha256")
      }
      return .digest
    case .release(let release): return .release(try release.establish(for: deb, on: host))
    }
  }
}

/// A package to verify: its digest and the fields of its control file.
package struct DebIdentity: Hashable, Sendable {
  /// The user's path, for messages.
  package var path: String
  /// The digest of the whole file, 32 bytes.
  package var sha256: [UInt8]
  package var package: String
  package var version: String
  package var architecture: String

  package init(path: String, sha256: [UInt8], package: String, version: String, architecture: String) {
    self.path = path
    self.sha256 = sha256
    self.package = package
    self.version = version
    self.architecture = architecture
  }
}
