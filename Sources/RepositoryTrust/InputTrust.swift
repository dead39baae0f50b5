// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

/// What has to vouch for a package before it is repacked and signed.
package enum InputTrust: Sendable {
  case nothing
  /// A SHA-256 digest that the user has from elsewhere, 32 bytes.
  case digest([UInt8])
  case release(SignedRelease)

  /// A digest in hexadecimal. Throws `TrustError` if it is none.
  package static func sha256(_ text: String) throws(TrustError) -> InputTrust {
    guard let digest = [UInt8](hexadecimal: text), digest.count == 32 else {
      throw TrustError(
        .digest, "'\(text)' is no SHA-256 digest", hint: "give the 64 digits that sha256sum prints, with --sha256")
    }
    return .digest(digest)
  }

  /// Says who vouches for the package. Throws `TrustError` if nobody does, `HostError` if that cannot be found out.
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
