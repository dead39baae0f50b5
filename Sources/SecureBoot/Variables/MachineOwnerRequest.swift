// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
internal import EFIData
package import HostSystem
internal import Messages

/// The pending request of `mokutil --import`: MokManager offers these certificates at the next boot by shim.
package struct MachineOwnerRequest: Sendable {
  package let certificates: [Certificate]

  /// Nil if nothing is requested.
  ///
  /// A damaged request is used as far as it can be read. Throws `HostError` if the variable cannot be read.
  package init?(readingFrom host: Host) throws {
    let name = EFIVariableName.requestedMachineOwnerKeys
    guard let file = try host.variables.read(name.fileName),
      let content = try? EFIVariableContent(parsing: file).data
    else { return nil }
    var notes: [Message] = []
    certificates = TrustList(name: name.name, content: content, notes: &notes).certificates
    if certificates.isEmpty { return nil }
  }
}
