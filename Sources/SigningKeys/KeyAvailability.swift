// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
package import Messages

/// Why a signing key cannot be used now although nothing is wrong with it: it is elsewhere, or locked.
package struct KeyAbsence: HintedError, Hashable {
  package enum Reason: Hashable, Sendable {
    /// The file does not exist: it is on a medium that is not mounted.
    case missing
    /// The file has a passphrase, or the token a PIN, that is not known.
    case locked
    /// Nothing answers to the OpenSSL store URI: the token is not connected.
    case unreachable
  }

  package let reason: Reason
  /// A sentence that names the key.
  package let message: Message
  /// How to get it back.
  package let hint: Message?
  /// A command that makes the key usable; nil if it takes more than a command.
  package let command: Message?
}

/// Whether UKIs can be signed now.
package enum KeyAvailability: Sendable {
  case usable
  case away(KeyAbsence)
  /// The key or its certificate is damaged or unsuitable, or the two do not match.
  case unusable(Failure)

  package var absence: KeyAbsence? { if case .away(let absence) = self { absence } else { nil } }
  package var failure: Failure? { if case .unusable(let failure) = self { failure } else { nil } }
}

extension KeySource {
  /// Whether the key can be used; loads it, but signs nothing.
  package func availability(on host: Host) -> KeyAvailability {
    let files = isHostPath ? host.files : host.userFiles
    let isURI = isStoreURI(in: files)
    if !isURI, (try? files.status(of: key)) == .some(nil) { return .away(missing(key, files)) }
    if (try? files.status(of: certificate)) == .some(nil), isURI || !isDefault {
      return .away(missing(certificate, files))
    }
    do {
      let key = try loadKey(from: host)
      let certificate = try loadCertificate(from: host)
      _ = try describing(self.certificate) { try SigningIdentity(key: key, certificate: certificate) }
      return .usable
    } catch let failure as KeyLoadFailure {
      switch failure.kind {
      case .passphrase: return .away(locked(failure))
      case .keyURI: return .away(unreachable)
      default: return .unusable(failure.failure)
      }
    } catch {
      return .unusable(Failure(adopting: error, of: Message(verbatim: certificate)))
    }
  }

  /// Whether it is the key that the package creates, rather than one on a medium that an administrator chose.
  private var isDefault: Bool { key == KeyStore.standardKeyPath }

  private func missing(_ path: String, _ files: FileSystem) -> KeyAbsence {
    let shown = files.display(path)
    return KeyAbsence(
      reason: .missing, message: "\(shown) does not exist",
      hint: isDefault
        ? "copy it back from a backup, then run: pve-sb-uki apply"
        : "connect and mount the medium with \(shown), then run: pve-sb-uki apply",
      command: nil)
  }

  private func locked(_ failure: KeyLoadFailure) -> KeyAbsence {
    KeyAbsence(
      reason: .locked, message: failure.message, hint: "run it on a terminal, where it asks: pve-sb-uki apply",
      command: "pve-sb-uki apply")
  }

  private var unreachable: KeyAbsence {
    KeyAbsence(
      reason: .unreachable, message: "the token with the key \(displayName) does not answer",
      hint: "connect the token, then run: pve-sb-uki apply", command: nil)
  }
}
