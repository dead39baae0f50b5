// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import HostSystem

extension PrivateKey {
  /// The key as PKCS#8 PEM, encrypted unless `passphrase` is nil.
  package func serializedPEM(protectedBy passphrase: Secret?) throws -> [UInt8] {
    guard let passphrase else { return try serializedPEM() }
    var bytes = passphrase.copy()
    defer { Secret.wipe(&bytes) }
    return try serializedPEM(encryptedWith: bytes)
  }
}
