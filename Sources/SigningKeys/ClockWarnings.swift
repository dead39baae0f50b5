// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import HostSystem
package import Messages

// Firmware and shim ignore the validity period of certificates, and a clock can be wrong by years. So dates never
// prevent signing; they only cause warnings.

extension Certificate {
  /// The warning about the validity period, according to the host's clock; nil if the certificate is valid.
  package func validityWarning(on host: Host) -> Failure? {
    let message: Message
    switch validity(at: host.now()) {
    case .valid: return nil
    case .notYetValid(let date):
      message = "the certificate \(subject) is not valid before \(date); firmware ignores this"
    case .expired(let date):
      message = "the certificate \(subject) expired on \(date); firmware ignores this"
    case .unknown:
      message = "the validity period of the certificate \(subject) cannot be read; firmware ignores this"
    }
    let hint: Message = "keep the keys, and check this host's clock with 'timedatectl'"
    return Failure(message, hint: host.clockWarning?.hint ?? hint)
  }
}

extension Host {
  /// How long a version may be in use, in seconds: 20 years.
  ///
  /// A clock that is further ahead must be wrong.
  private static let plausibleAge: Int64 = 20 * 365 * 86_400

  /// The warning about a clock that must be wrong; nil if it may be right.
  package var clockWarning: Failure? {
    guard let programTime, isClockBehind || now() - programTime > Self.plausibleAge else { return nil }
    return Failure(
      """
      this host's clock says \(CalendarDate(seconds: now())), but pve-sb-uki was built on \
      \(CalendarDate(seconds: programTime))
      """, hint: "set the clock, for example with '\(Self.clockCommand)'")
  }

  /// The command that sets a wrong clock.
  package static let clockCommand: Message = "timedatectl set-ntp true"
}

extension Failure {
  /// The message with the hint, for a place that shows no hints.
  package var note: Message { hint.map { "\(message); \($0)" } ?? message }
}
