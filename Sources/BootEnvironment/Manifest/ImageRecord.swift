// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// A UKI made by pve-sb-uki, its inputs, and the ESPs that contain it.
package struct ImageRecord: Hashable, Sendable {
  /// A copy of the UKI on an ESP.
  package struct Copy: Hashable, Sendable {
    /// Name of the ESP.
    package var esp: String
    package var name: UKIName
    /// Modification time in nanoseconds since 1970, as stored on the ESP.
    package var modified: Int64

    package init(esp: String, name: UKIName, modified: Int64) {
      self.esp = esp
      self.name = name
      self.modified = modified
    }
  }

  package var kernel: Kernel
  /// Size of the file in bytes.
  package var size: Int
  /// SHA-256 of the file.
  package var digest: [UInt8]
  /// SHA-256 Authenticode digest, by which dbx may revoke the UKI; nil if unknown.
  package var authenticode: [UInt8]?
  /// When the machine last booted it, in seconds since 1970; nil if never seen.
  ///
  /// A UKI that has booted is known to be good.
  package var booted: Int64?
  /// The boot ID of the system that built it, see random(4); nil if unknown.
  ///
  /// That system cannot have been booted from it, whatever the clock says.
  package var made: String?
  package var commandLine: String
  /// SHA-256 of its profiles' descriptions and command lines; nil if it has no profiles.
  package var profiles: [UInt8]?
  /// SHA-256 of the certificate it is signed with.
  package var certificate: [UInt8]
  /// Kernel, initrd, stub, os-release and certificate file, in this order.
  package var inputs: [InputRecord]
  package var copies: [Copy]

  package init(
    kernel: Kernel, size: Int, digest: [UInt8], authenticode: [UInt8]? = nil, booted: Int64? = nil, made: String? = nil,
    commandLine: String, profiles: [UInt8]? = nil, certificate: [UInt8], inputs: [InputRecord], copies: [Copy] = []
  ) {
    self.kernel = kernel
    self.size = size
    self.digest = digest
    self.authenticode = authenticode
    self.booted = booted
    self.made = made
    self.commandLine = commandLine
    self.profiles = profiles
    self.certificate = certificate
    self.inputs = inputs
    self.copies = copies
  }

  package func copy(on esp: String, _ name: UKIName) -> Copy? {
    copies.first { $0.esp == esp && $0.name == name }
  }
}

/// An input file at the time when a UKI was built from it.
package struct InputRecord: Hashable, Sendable {
  package var path: String
  package var size: Int
  /// Nanoseconds since 1970.
  package var modified: Int64
  package var inode: UInt64
  /// SHA-256 of the content.
  package var digest: [UInt8]

  package init(path: String, status: FileStatus, digest: [UInt8]) {
    self.init(path: path, size: status.size, modified: status.modified, inode: status.inode, digest: digest)
  }

  package init(path: String, size: Int, modified: Int64, inode: UInt64, digest: [UInt8]) {
    self.path = path
    self.size = size
    self.modified = modified
    self.inode = inode
    self.digest = digest
  }

  /// Whether the file is unchanged, as far as stat(2) shows.
  package func matches(_ status: FileStatus) -> Bool {
    size == status.size && modified == status.modified && inode == status.inode
  }
}
