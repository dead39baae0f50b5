// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem
internal import Messages

/// The modules that the running kernel has loaded, and where another kernel of this host has them.
package struct LoadedModules: Sendable {
  package struct Module: Hashable, Sendable {
    /// As in `lsmod`, with underscores.
    package var name: String
    /// Whether it does not come with the kernel (taint `O`).
    package var isOutOfTree: Bool
  }

  package enum Place: Hashable, Sendable {
    /// The absolute path of its file.
    case file(String)
    /// It is compiled into the kernel.
    case builtIn
    case missing
  }

  /// In the kernel's order, the latest first.
  package let modules: [Module]

  /// Reads /proc/modules (proc_modules(5)).
  ///
  /// Throws `HostError`, and `Failure` if this kernel has no modules.
  package init(of host: Host) throws {
    guard let text = try host.files.readTextIfPresent("/proc/modules", limit: 1 << 22) else {
      throw Failure("the running kernel has no modules", hint: "specify modules as files")
    }
    modules = text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard let name = fields.first else { return nil }
      let taint = fields.last.flatMap { $0.hasPrefix("(") ? $0 : nil } ?? ""
      return Module(name: String(name), isOutOfTree: taint.utf8.contains(UInt8(ascii: "O")))
    }
  }

  /// Where kernel `release` has each of the modules, by depmod's lists (modules.dep(5)).
  ///
  /// Throws `Failure` if the kernel has no `modules.dep`, `HostError` if a list cannot be read.
  package func places(in release: String, on host: Host) throws -> [Place] {
    let directory = "/lib/modules/\(release)"
    func lines(_ list: String) throws -> [ArraySlice<UInt8>] {
      ByteLines(try host.files.readFileIfPresent("\(directory)/\(list)", limit: 1 << 26) ?? []).filter { !$0.isEmpty }
    }
    let files = try lines("modules.dep").map { String(decoding: $0.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self) }
    guard !files.isEmpty else {
      throw Failure(
        "kernel \(release) has no list of its modules, \(directory)/modules.dep",
        hint: "specify an installed kernel, or run: depmod \(release)")
    }
    var places: [String: Place] = [:]
    for line in try lines("modules.builtin") { places[Self.name(of: String(decoding: line, as: UTF8.self))] = .builtIn }
    for file in files { places[Self.name(of: file)] = .file(file.hasPrefix("/") ? file : "\(directory)/\(file)") }
    return modules.map { places[$0.name] ?? .missing }
  }

  /// The name of the module in a file: hyphens are underscores to the kernel.
  private static func name(of path: String) -> String {
    let fileName = String(PathName(path).fileName)
    return String((ModuleFile.name(ofFile: fileName) ?? fileName).map { $0 == "-" ? "_" : $0 })
  }
}
