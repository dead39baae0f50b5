// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An image this program made, what it was made of, and on which partitions it lies.
package struct ImageRecord: Hashable, Sendable {
  /// One of the places where an image lies.
  package struct Copy: Hashable, Sendable {
    /// Name of the partition.
    package var partition: String
    package var name: ImageName
    /// Nanoseconds since 1970 as the partition keeps them.
    package var modified: Int64

    package init(partition: String, name: ImageName, modified: Int64) {
      self.partition = partition
      self.name = name
      self.modified = modified
    }
  }

  package var kernel: Kernel
  /// Bytes of the file.
  package var size: Int
  /// SHA-256 of the file.
  package var digest: [UInt8]
  /// SHA-256 Authenticode digest, by which dbx revokes an image; nil if it is not known.
  package var authenticode: [UInt8]?
  /// When a machine that was booted from it started, in seconds since 1970; nil if none has been seen. Such an image is
  /// known to be good.
  package var booted: Int64?
  package var commandLine: String
  /// SHA-256 of the certificate it is signed with.
  package var certificate: [UInt8]
  /// Kernel, initrd, stub, os-release and certificate file, in the order of use.
  package var inputs: [InputRecord]
  package var copies: [Copy]

  package init(
    kernel: Kernel, size: Int, digest: [UInt8], authenticode: [UInt8]? = nil, booted: Int64? = nil,
    commandLine: String, certificate: [UInt8], inputs: [InputRecord], copies: [Copy] = []
  ) {
    self.kernel = kernel
    self.size = size
    self.digest = digest
    self.authenticode = authenticode
    self.booted = booted
    self.commandLine = commandLine
    self.certificate = certificate
    self.inputs = inputs
    self.copies = copies
  }

  package func copy(on partition: String, _ name: ImageName) -> Copy? {
    copies.first { $0.partition == partition && $0.name == name }
  }
}
