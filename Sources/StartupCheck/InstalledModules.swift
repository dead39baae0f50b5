// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import HostSystem

/// The modules of an installed kernel, from `/lib/modules/K`, as depmod(8) lists them.
///
/// Few of the thousands of modules are asked for, so the lists are searched and not parsed.
package struct InstalledModules: Sendable {
  /// Modules that are part of the kernel (modules.builtin).
  private let builtIn: [UInt8]
  /// The modules that each module needs (modules.dep).
  private let dependencies: [UInt8]

  private static let sizeLimit = 16 << 20

  package static func directory(of kernel: Kernel) -> String { "/lib/modules/\(kernel.release)" }

  /// Reads the lists of a kernel; those that do not exist are empty.
  ///
  /// Throws `HostError`.
  package init(of kernel: Kernel, in files: FileSystem) throws {
    func content(_ name: String) throws -> [UInt8] {
      try files.readFileIfPresent("\(Self.directory(of: kernel))/\(name)", limit: Self.sizeLimit) ?? []
    }
    builtIn = try content("modules.builtin")
    dependencies = try content("modules.dep")
  }

  /// Whether the kernel has modules at all.
  package var isEmpty: Bool {
    !ByteLines(dependencies).contains { Self.name(in: $0.prefix { $0 != Self.colon }) != nil }
  }
  package func isBuiltIn(_ module: String) -> Bool {
    let wanted = Array(module.utf8)
    return ByteLines(builtIn).contains { Self.isModule(wanted, at: $0) }
  }
  package func isLoadable(_ module: String) -> Bool { needs(of: module) != nil }

  /// The modules missing from `present` to load `module`: itself and what it depends on.
  ///
  /// Empty if it is part of the kernel, or if the kernel does not have it.
  package func missing(for module: String, from present: Set<String>) -> [String] {
    guard let needed = needs(of: module), !isBuiltIn(module) else { return [] }
    return ([module] + needed).filter { !present.contains($0) && !isBuiltIn($0) }
  }

  /// The modules that a module needs; nil if the kernel does not have it.
  private func needs(of module: String) -> [String]? {
    let wanted = Array(module.utf8)
    for line in ByteLines(dependencies) {
      let path = line.prefix { $0 != Self.colon }
      guard Self.isModule(wanted, at: path) else { continue }
      return line[path.endIndex...].dropFirst().split(separator: UInt8(ascii: " ")).compactMap { Self.name(in: $0) }
    }
    return nil
  }

  private static let colon = UInt8(ascii: ":")

  private static func name(in path: ArraySlice<UInt8>) -> String? {
    ModuleName(path: Substring(decoding: path, as: UTF8.self))?.text
  }

  /// Whether the path leads to the module with this name, which has `_` for `-`.
  private static func isModule(_ name: [UInt8], at path: ArraySlice<UInt8>) -> Bool {
    // Cheap check: most paths lead to other modules.
    let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? path.startIndex
    guard path.endIndex - start > name.count, path[start + name.count] == UInt8(ascii: ".") else { return false }
    for (index, byte) in name.enumerated() where byte != path[start + index] {
      guard byte == UInt8(ascii: "_"), path[start + index] == UInt8(ascii: "-") else { return false }
    }
    return self.name(in: path)?.utf8.elementsEqual(name) == true
  }
}
