// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

/// What must vouch for a package before it is repacked and signed.
package enum InputTrust: Sendable {
  case nothing
  /// A SHA-256 digest that the user has from elsewhere, 32 bytes.
  case digest([UInt8])
  case release(SignedRelease)

  /// Takes a digest in hexadecimal.
  ///
  /// Throws `TrustError` unless it has 64 digits and nothing else.
  package static func sha256(_ text: String) throws(TrustError) -> InputTrust {
    guard let digest = [UInt8](hexadecimal: text), digest.count == 32 else {
      throw TrustError(
        .digest, "'\(text)' is no SHA-256 digest", hint: "give the 64 digits that sha256sum prints, with --sha256")
    }
    return .digest(digest)
  }

  /// Says who vouches for the package.
  ///
  /// Throws `TrustError` if nobody does, `HostError` if a file cannot be read.
  package func establish(for deb: DebIdentity, on host: Host) throws -> TrustFinding {
    switch self {
    case .nothing: return .unchecked
    case .digest(let digest):
      guard digest == deb.sha256 else {
        throw TrustError(
          .digest, "\(deb.path) has the SHA-256 digest \(deb.sha256.hexadecimal), not \(digest.hexadecimal)",
          hint: "get the package once more, or correct --sha256")
      }
      return .digest
    case .release(let release): return .release(try release.establish(for: deb, on: host))
    }
  }
}

/// A package whose origin is in question: its digest, and what it says about itself.
package struct DebIdentity: Hashable, Sendable {
  /// The path that the user gave, for messages.
  package var path: String
  /// Of the whole file, 32 bytes.
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
