// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// An image this program put on an EFI System Partition, and what it was made of.
package struct ImageRecord: Hashable, Sendable {
  /// Host path of the image.
  package var path: String
  package var kernel: Kernel
  package var size: Int
  /// Nanoseconds since 1970 as the partition keeps them.
  package var modified: Int64
  /// SHA-256 of the file.
  package var digest: [UInt8]
  package var commandLine: String
  /// SHA-256 of the certificate it is signed with.
  package var certificate: [UInt8]
  /// Kernel, initrd, stub, os-release and certificate file, in the order of use.
  package var inputs: [InputRecord]

  package init(
    path: String, kernel: Kernel, status: FileStatus, digest: [UInt8], commandLine: String, certificate: [UInt8],
    inputs: [InputRecord]
  ) {
    self.init(
      path: path, kernel: kernel, size: status.size, modified: status.modified, digest: digest,
      commandLine: commandLine, certificate: certificate, inputs: inputs)
  }

  package init(
    path: String, kernel: Kernel, size: Int, modified: Int64, digest: [UInt8], commandLine: String,
    certificate: [UInt8], inputs: [InputRecord]
  ) {
    self.path = path
    self.kernel = kernel
    self.size = size
    self.modified = modified
    self.digest = digest
    self.commandLine = commandLine
    self.certificate = certificate
    self.inputs = inputs
  }

  /// Whether the image is the same by all that can be seen without opening it. FAT has no lasting inode numbers.
  package func matches(_ status: FileStatus) -> Bool {
    status.kind == .regular && size == status.size && modified == status.modified
  }
}
