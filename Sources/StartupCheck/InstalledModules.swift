// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem

/// The modules of an installed kernel, from `/lib/modules/K`, as depmod(8) lists them.
package struct InstalledModules: Sendable {
  /// Modules that are part of the kernel (modules.builtin).
  private let builtIn: Set<String>
  /// The modules that each module needs (modules.dep).
  private let dependencies: [String: [String]]

  private static let sizeLimit = 16 << 20

  package static func directory(of kernel: Kernel) -> String { "/lib/modules/\(kernel.release)" }

  /// Reads the lists of a kernel; those that do not exist are empty.
  ///
  /// Throws `HostError`.
  package init(of kernel: Kernel, in files: FileSystem) throws {
    func lines(_ name: String) throws -> [Substring] {
      let path = "\(Self.directory(of: kernel))/\(name)"
      return try files.readTextIfPresent(path, limit: Self.sizeLimit)?.split(separator: "\n") ?? []
    }
    builtIn = Set(try lines("modules.builtin").compactMap { ModuleName(path: $0)?.text })
    var dependencies: [String: [String]] = [:]
    for line in try lines("modules.dep") {
      let parts = line.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 1).map { Substring($0) }
      guard let module = parts.first.flatMap({ ModuleName(path: $0) }) else { continue }
      let needed = parts.count == 2 ? parts[1].split(separator: " ") : []
      dependencies[module.text] = needed.compactMap { ModuleName(path: $0)?.text }
    }
    self.dependencies = dependencies
  }

  /// Whether the kernel has modules at all.
  package var isEmpty: Bool { dependencies.isEmpty }
  package func isBuiltIn(_ module: String) -> Bool { builtIn.contains(module) }
  package func isLoadable(_ module: String) -> Bool { dependencies[module] != nil }

  /// The modules missing from `present` to load `module`: itself and what it depends on.
  ///
  /// Empty if it is part of the kernel, or if the kernel does not have it.
  package func missing(for module: String, from present: Set<String>) -> [String] {
    guard isLoadable(module), !isBuiltIn(module) else { return [] }
    return ([module] + (dependencies[module] ?? [])).filter { !present.contains($0) && !isBuiltIn($0) }
  }
}
