// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What a package says of itself, and its digest.
package struct DebIdentity: Hashable, Sendable {
  /// As it was named, for messages.
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
