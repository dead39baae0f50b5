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

  /// How the digest was computed that identifies a UKI.
  package enum DigestForm: String, Sendable {
    /// As in Authenticode's `ImageIdentity`.
    case image
    /// SHA-256 of the file, as pve-sb-uki up to 0.5 did.
    case file
  }

  package var kernel: Kernel
  /// Size of the file in bytes.
  package var size: Int
  /// A digest of all bytes, by which the UKI is recognized.
  package var digest: [UInt8]
  package var digestForm: DigestForm
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
    kernel: Kernel, size: Int, digest: [UInt8], digestForm: DigestForm = .image, authenticode: [UInt8]? = nil,
    booted: Int64? = nil, made: String? = nil, commandLine: String, profiles: [UInt8]? = nil, certificate: [UInt8],
    inputs: [InputRecord], copies: [Copy] = []
  ) {
    self.kernel = kernel
    self.size = size
    self.digest = digest
    self.digestForm = digestForm
    self.authenticode = authenticode
    self.booted = booted
    self.made = made
    self.commandLine = commandLine
    self.profiles = profiles
    self.certificate = certificate
    self.inputs = inputs
    self.copies = copies
  }

  /// The initrd at the time when the UKI was built; nil if unknown.
  package var initrd: InputRecord? { inputs.first { $0.path == kernel.initrdPath } }

  package func copy(on esp: String, _ name: UKIName) -> Copy? {
    copies.first { $0.esp == esp && $0.name == name }
  }
}

/// An input file at the time when a UKI was built from it.
///
/// Its content is not recorded: the UKI's Authenticode digest shows whether the same UKI would be built again.
package struct InputRecord: Hashable, Sendable {
  package var path: String
  package var size: Int
  /// Nanoseconds since 1970.
  package var modified: Int64
  package var inode: UInt64

  package init(path: String, status: FileStatus) {
    self.init(path: path, size: status.size, modified: status.modified, inode: status.inode)
  }

  package init(path: String, size: Int, modified: Int64, inode: UInt64) {
    self.path = path
    self.size = size
    self.modified = modified
    self.inode = inode
  }

  /// Whether the file is unchanged, as far as stat(2) shows.
  package func matches(_ status: FileStatus) -> Bool {
    size == status.size && modified == status.modified && inode == status.inode
  }
}
