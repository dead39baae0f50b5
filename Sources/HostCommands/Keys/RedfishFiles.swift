// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Messages
internal import SigningKeys

/// Payloads with which a management controller adds certificates to the firmware's lists (DMTF DSP0266, schemas
/// SecureBootDatabase and Certificate), and how to send them.
enum RedfishFiles {
  static let readme = "redfish-README.txt"
  static func name(of role: KeyRole) -> String { "redfish-\(role.name).json" }

  static func files(of parts: PublicParts) throws -> [PublicParts.File] {
    let payloads = try parts.roles.reversed().compactMap { role in
      try parts.certificates[role].map { certificate -> PublicParts.File in
        let text = String(decoding: try certificate.serializedPEM(), as: UTF8.self)
        let payload = JSONValue.object(["CertificateString": .string(text), "CertificateType": .string("PEM")])
        return (name(of: role), Array(payload.serialize().utf8))
      }
    }
    return payloads + [(readme, Array(instructions(parts.hasOwner).utf8))]
  }

  /// Whether a file with that name is such a payload with one of the certificates, or the instructions.
  static func isOwn(_ name: String, _ bytes: [UInt8], _ certificates: OwnKeyFiles) -> Bool {
    if name == readme { return [true, false].contains { Array(instructions($0).utf8) == bytes } }
    guard KeyRole.allCases.contains(where: { Self.name(of: $0) == name }),
      case .object(let members) = try? JSONValue(parsing: bytes),
      case .string(let text) = members["CertificateString"]
    else { return false }
    return certificates.contain(Array(text.utf8))
  }

  /// Commands for any controller, in English like the names in Redfish.
  ///
  /// The paths follow the standard; not verified on hardware.
  private static func instructions(_ hasOwner: Bool) -> String {
    let base = "https://BMC/redfish/v1/Systems/ID/SecureBoot"
    let reset = """
      1. Start Setup Mode: remove the platform key of the vendor. KEK and db keep their entries.

           curl -k -u USER -H 'Content-Type: application/json' -d '{"ResetKeysType": "DeletePK"}' \\
             \(base)/Actions/SecureBoot.ResetKeys

      2. Add the certificates in this order, PK last:


      """
    let roles: [KeyRole] = hasOwner ? [.signatureDatabase, .keyExchangeKey, .platformKey] : [.signatureDatabase]
    let posts = roles.map { role in
      """
           curl -k -u USER -H 'Content-Type: application/json' -d @\(name(of: role)) \\
             \(base)/SecureBootDatabases/\(role.name)/Certificates

      """
    }
    return """
      Certificates for Secure Boot, to be sent to a server's management controller by Redfish.

      Replace BMC by its address, ID by the name in https://BMC/redfish/v1/Systems, and USER by an account that may
      configure it; curl asks for the password. Check first that the controller has these lists:

           curl -k -u USER \(base)/SecureBootDatabases

      \(hasOwner ? reset : "Add the certificate to db:\n\n")\(posts.joined(separator: "\n"))
      \(hasOwner ? "3. " : "")Turn Secure Boot on. Most servers apply this at the next boot:

           curl -k -u USER -H 'Content-Type: application/json' -X PATCH -d '{"SecureBootEnable": true}' \\
             \(base)

      """
  }
}
