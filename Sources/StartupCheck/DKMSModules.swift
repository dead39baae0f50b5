// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem

/// The modules that dkms has built, by its own records in `/var/lib/dkms`.
package struct DKMSModules: Sendable {
  private static let directory = "/var/lib/dkms"
  private static let countLimit = 1000
  private let files: FileSystem

  package init(in files: FileSystem) { self.files = files }

  /// The modules that dkms has built for a kernel, as `NAME/VERSION/K/ARCHITECTURE/module/MODULE.ko`.
  ///
  /// Throws `HostError`.
  package func modules(of kernel: Kernel) throws -> Set<String> {
    var modules: Set<String> = []
    for name in try list(Self.directory) {
      for version in try list("\(Self.directory)/\(name)") {
        let builds = "\(Self.directory)/\(name)/\(version)/\(kernel.release)"
        for architecture in try list(builds) {
          let files = try list("\(builds)/\(architecture)/module")
          modules.formUnion(files.compactMap { ModuleName(fileName: $0)?.text })
        }
      }
    }
    return modules
  }

  /// Modules that dkms has built for `running` and that `kernel` does not have, in alphabetical order.
  ///
  /// Throws `HostError`.
  package func missing(for kernel: Kernel, butBuiltFor running: Kernel) throws -> [String] {
    let built = try modules(of: running)
    guard !built.isEmpty else { return [] }
    let installed = try InstalledModules(of: kernel, in: files)
    guard !installed.isEmpty else { return [] }
    let present = try modules(of: kernel)
    return built.filter { !present.contains($0) && !installed.isLoadable($0) && !installed.isBuiltIn($0) }.sorted()
  }

  private func list(_ path: String) throws -> [String] { Array((try files.list(path) ?? []).prefix(Self.countLimit)) }
}
