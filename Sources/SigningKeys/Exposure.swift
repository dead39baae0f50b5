// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

extension Host {
  /// The problems with the mode and the owner of a host path that only root may read or change; empty if it does not
  /// exist.
  ///
  /// `forbidden` are permission bits that it must not have, `wanted` the mode to give it. Throws `HostError`.
  package func exposures(of path: String, forbidden: UInt32, wanted: UInt32) throws -> [Failure] {
    guard let status = try files.status(of: path) else { return [] }
    let shown = files.display(path)
    var found: [Failure] = []
    if status.mode & forbidden != 0 {
      found.append(
        Failure(
          "\(shown): mode \(String(status.mode, radix: 8)) gives others access",
          hint: "run 'chmod \(String(wanted, radix: 8)) \(shown)'"))
    }
    if status.owner != 0, status.owner != effectiveUserID {
      found.append(Failure("\(shown): owned by user \(status.owner)", hint: "run 'chown root:root \(shown)'"))
    }
    return found
  }
}

extension KeySource {
  /// Whether an OpenSSL store URI contains a PIN (RFC 7512 section 2.4).
  package static func holdsPIN(_ uri: String) -> Bool {
    uri.utf8.split { "?;&".utf8.contains($0) }.contains { part in
      let name = part.firstIndex(of: UInt8(ascii: ":")).map { part[part.index(after: $0)...] } ?? part
      return part.starts(with: pinAttribute) || name.starts(with: pinAttribute)
    }
  }

  private static let pinAttribute = Array("pin-value=".utf8)
}
