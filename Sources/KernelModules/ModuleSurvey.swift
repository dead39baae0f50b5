// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import HostSystem
internal import Messages

/// A module built by dkms for a kernel, and whether a kernel that enforces signatures loads it.
package struct BuiltModule: Hashable, Sendable {
  /// The release of the kernel.
  package let kernel: String
  /// The file name without `.ko` and any further suffix.
  package let name: String
  /// The absolute path on the host.
  package let path: String
  /// The package of dkms that built it, such as `hello/1.0`; nil if unknown.
  package let package: String?
  package let signature: ModuleTrust.Verdict
}

/// Examines the modules that dkms has built; read-only.
///
/// Their signer can only be in db or the MOK list, so the kernels themselves are not read.
package struct ModuleSurvey: Sendable {
  private let host: Host
  private let trust: ModuleTrust

  /// `own` is pve-sb-uki's certificate, or nil if it cannot be read.
  ///
  /// Throws `HostError` if the firmware's variables cannot be read.
  package init(on host: Host, own: Certificate?) throws {
    self.host = host
    let known = [own, Self.dkmsCertificate(host)].compactMap { $0 }
    trust = try ModuleTrust(of: nil, on: host, known: known, readsKernel: false)
  }

  /// The certificate that dkms signs with by default; nil if it cannot be read.
  package static func dkmsCertificate(_ host: Host) -> Certificate? {
    let content = try? host.files.readFileIfPresent("/var/lib/dkms/mok.pub", limit: 1 << 16)
    return content.flatMap { try? Certificate(parsing: $0) }
  }

  /// The directory where dkms of Debian 12 and 13 installs modules for kernel `release`, regardless of their makefiles.
  package static func directory(of release: String) -> String { "/lib/modules/\(release)/updates/dkms" }

  /// The modules of these kernels, sorted by path.
  ///
  /// An unreadable module is `bad`. `unreadable` gets the error for each kernel whose directory cannot be listed.
  package func modules(of releases: [String], unreadable: (any Error) -> Void) -> [BuiltModule] {
    releases.flatMap { release -> [BuiltModule] in
      let directory = Self.directory(of: release)
      do {
        return try (host.files.list(directory) ?? []).compactMap { fileName in
          guard let name = ModuleFile.name(ofFile: fileName) else { return nil }
          let path = "\(directory)/\(fileName)"
          return BuiltModule(
            kernel: release, name: name, path: path, package: package(of: fileName, release),
            signature: signature(of: path))
        }
      } catch {
        unreadable(error)
        return []
      }
    }
  }

  /// The package whose build for the kernel contains the module: dkms keeps it in
  /// `/var/lib/dkms/NAME/VERSION/KERNEL/ARCHITECTURE/module`.
  ///
  /// Nil if there is not exactly one.
  private func package(of fileName: String, _ release: String) -> String? {
    let tree = "/var/lib/dkms"
    var found: [String] = []
    for name in (try? host.files.list(tree)) ?? [] {
      for version in (try? host.files.list("\(tree)/\(name)")) ?? [] {
        let build = "\(tree)/\(name)/\(version)/\(release)"
        for architecture in (try? host.files.list(build)) ?? []
        where (try? host.files.exists("\(build)/\(architecture)/module/\(fileName)")) == true {
          found.append("\(name)/\(version)")
        }
      }
    }
    return found.count == 1 ? found[0] : nil
  }

  private func signature(of path: String) -> ModuleTrust.Verdict {
    do {
      return trust.judge(try host.files.openFile(path))
    } catch {
      return .bad("\(error)")
    }
  }
}
