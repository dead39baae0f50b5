// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
package import KernelModules
package import Messages
internal import ModuleSignature

/// `pve-sb-uki inspect` for a kernel module: what it says about itself, and its signature.
package struct InspectModule: Sendable {
  package var path: String

  package init(path: String) { self.path = path }

  package struct Report: Sendable {
    package var path: String
    /// Bytes of the file, and of the module without compression.
    package var fileSize: Int
    package var size: Int
    /// `.modinfo`, in the order of the file.
    package var information: ModuleInformation
    /// The digest of the signature, such as `sha512`; nil if it is unsigned or unreadable.
    package var digest: String?
    /// Issuer and serial number of the signer's certificate, of which a module's signature has no copy.
    package var signer: String?
    /// Why the signature cannot be read.
    package var problem: Message?
  }

  /// Reads the module.
  ///
  /// Throws `Failure` if it cannot be read or is malformed.
  package func run(on host: Host) throws -> Report {
    try describing(path) {
      let file = try host.userFiles.openFile(path).readToEnd(limit: PackedModule.sizeLimit)
      let content = try PackedModule(file, size: PackedModule.unpackedSize(of: file)).content
      var report = Report(
        path: path, fileSize: file.count, size: content.count, information: try ModuleInformation(parsing: content))
      do {
        let trailer = try ModuleTrailer(tail: content.suffix(ModuleTrailer.sizeLimit), ofModuleWith: content.count)
        guard let signed = try trailer.map({ try SignedModule($0) }) else { return report }
        report.digest = signed.algorithm.rawValue
        report.signer = signed.signerName
      } catch {
        report.problem = Message(error)
      }
      return report
    }
  }
}
