// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages

extension Planner {
  /// What dkms is told of the key. Without a certificate that can be read nothing changes: images fail for it, too.
  mutating func planModuleSigning() {
    do {
      let wanted: DKMSSigning
      if !configuration.signsModules {
        wanted = DKMSSigning()
      } else if let certificate {
        wanted = try DKMSSigning(key: configuration.key, certificate: certificate.der)
      } else {
        return
      }
      plan.moduleSigning = try wanted.steps(on: host.files)
    } catch {
      plan.fail(Failure("dkms", error))
    }
  }
}
