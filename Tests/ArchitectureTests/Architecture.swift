// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem

/// Checks a package against the rules of `docs/architecture.md`: its manifest, all imports, and the page's tables.
struct Architecture {
  private let page: ArchitecturePage
  private let readme: String
  private let targets: [PackageManifest.Target]
  /// The files by target name.
  private let files: [String: [SwiftFile]]
  /// Target names by module name.
  private let names: [String: String]
  /// Names of the products of other packages.
  private let products: Set<String>
  /// Links and citations of the page without a target.
  private let lostReferences: [String]
  /// Files below `Sources` and `Tests` that no target compiles.
  private let strayFiles: [String]

  /// Reads the package in `root`, an absolute path.
  ///
  /// Throws `HostError` if a file cannot be read.
  init(ofPackageIn root: String) throws {
    let reader = try FileSystem(root: root)
    func text(_ path: String) throws -> String {
      String(decoding: try reader.readFile("/\(path)", limit: 1 << 20), as: UTF8.self)
    }
    page = ArchitecturePage(parsing: try text(ArchitecturePage.path))
    readme = try text("README.md")
    let targets = PackageManifest(parsing: try text("Package.swift")).targets
    var files: [String: [SwiftFile]] = [:]
    var strayFiles: [String] = []
    let directories = Set(["Sources", "Tests"] + targets.map(\.path))
    // A nested directory is searched with its parent.
    for directory in directories where !directories.contains(where: { directory.hasPrefix("\($0)/") }) {
      for path in try Self.swiftFiles(in: directory, reader) {
        guard let target = targets.first(where: { path.hasPrefix("\($0.path)/") }) else {
          strayFiles.append(path)
          continue
        }
        let content = try reader.readFile("/\(path)", limit: 1 << 20)
        files[target.name, default: []].append(SwiftFile(path: path, content: content))
      }
    }
    self.targets = targets
    self.files = files
    names = [String: String](targets.map { ($0.module, $0.name) }) { first, _ in first }
    products = Set(targets.flatMap(\.dependencies)).subtracting(targets.map(\.name))
    self.strayFiles = strayFiles.sorted()
    lostReferences =
      try page.links.filter { try !reader.exists("/docs/\($0)") }.map { "links to \($0), which does not exist" }
      + page.citedTests.filter { name in
        let isSwift = files.values.joined().contains { $0.path.hasPrefix("Tests/") && $0.name == name }
        return try !isSwift && !["Tests", "Tests/System"].contains { try reader.exists("/\($0)/\(name)") }
      }.map { "cites the test \($0), which does not exist" }
  }

  private static func swiftFiles(in directory: String, _ reader: FileSystem) throws -> [String] {
    var paths: [String] = []
    for name in try reader.list("/\(directory)") ?? [] where !name.hasPrefix(".") {
      let path = "\(directory)/\(name)"
      if name.hasSuffix(".swift") {
        paths.append(path)
      } else if try reader.isDirectory("/\(path)") {
        paths += try swiftFiles(in: path, reader)
      }
    }
    return paths
  }

  /// The violations of the rules, one sentence each, starting with the file to change.
  var violations: [String] {
    strayFiles.map { "\($0): no target of Package.swift compiles it" }
      + lostReferences.map { "\(ArchitecturePage.path): \($0)" } + tableViolations + orderViolations
      + targets.flatMap(violations(of:)) + moduleViolations + reachViolations
      + readmeViolations
  }

  // MARK: - The tables

  private var tableViolations: [String] {
    var found: [String] = []
    if page.layers.isEmpty { found.append("\(ArchitecturePage.path): the table of layers is missing") }
    if page.rows.isEmpty { found.append("\(ArchitecturePage.path): the table of targets is missing") }
    if targets.isEmpty { found.append("Package.swift: no targets found") }
    for target in targets where target.kind != .testTarget && row(of: target.name) == nil {
      found.append("\(ArchitecturePage.path): \(target.name) of Package.swift is missing in the table")
    }
    for row in page.rows {
      guard let target = targets.first(where: { $0.name == row.target }) else {
        found.append("\(ArchitecturePage.path): \(row.target) is not a target of Package.swift")
        continue
      }
      if row.path != target.path {
        found.append("\(ArchitecturePage.path): the link of \(row.target) points to \(row.path), not to \(target.path)")
      }
    }
    return found
  }

  /// Checks that rows are sorted by layer.
  private var orderViolations: [String] {
    var found: [String] = []
    var highest = (place: 0, target: "")
    for row in page.rows {
      guard let place = page.layers.firstIndex(of: row.layer) else {
        found.append(
          "\(ArchitecturePage.path): the layer of \(row.target), \(row.layer), is not in the table of layers")
        continue
      }
      if place < highest.place {
        found.append(
          "\(ArchitecturePage.path): \(row.target) (\(row.layer)) comes after \(highest.target) "
            + "(\(page.layers[highest.place])), a higher layer")
      } else {
        highest = (place, row.target)
      }
    }
    for layer in page.layers where !page.rows.contains(where: { $0.layer == layer }) {
      found.append("\(ArchitecturePage.path): no target is in the layer \(layer)")
    }
    return found
  }

  private func row(of name: String) -> ArchitecturePage.Row? { page.rows.first { $0.target == name } }
  private func place(of name: String) -> Int? { page.rows.firstIndex { $0.target == name } }

  // MARK: - Imports

  private func violations(of target: PackageManifest.Target) -> [String] {
    guard let files = files[target.name] else {
      return target.dependencies.map { "Package.swift: \(target.name) has no Swift file but declares \($0)" }
    }
    var found: [String] = []
    let imported = Set(files.flatMap(\.imports).map(\.module))
    for name in target.dependencies where !imported.contains(PackageManifest.module(of: name)) {
      found.append("Package.swift: \(target.name) declares \(name), which none of its files imports")
    }
    let declared = Set(target.dependencies.map(PackageManifest.module))
    for file in files {
      for one in file.imports {
        let name = names[one.module]
        if name != nil || products.contains(one.module), !declared.contains(one.module) {
          found.append("\(file.path): imports \(one.module), which Package.swift does not declare for \(target.name)")
        }
        if one.isTestable { found.append("\(file.path): imports \(one.module) as @testable") }
        if let name, let own = place(of: target.name), let place = place(of: name), place >= own {
          found.append("\(file.path): imports \(name) upwards, which comes after \(target.name) in the table")
        }
      }
      for promise in file.citedPromises where !page.promises.contains(promise) {
        found.append("\(file.path): cites promise \(promise), which \(ArchitecturePage.path) does not have")
      }
      guard target.kind != .testTarget else { continue }
      found += file.publicLines.map { "\(file.path):\($0): is public or open; use package across targets" }
    }
    return found
  }

  // MARK: - Who may touch what

  /// Whether the table's last column must list the module: C modules and those from outside the package.
  private func needsPermission(_ module: String) -> Bool {
    names[module].map { files[$0] == nil } ?? true
  }

  private var moduleViolations: [String] {
    var found: [String] = []
    for row in page.rows {
      let files = files[row.target] ?? []
      for file in files {
        for one in file.imports where needsPermission(one.module) {
          let permission = row.touches.first { $0.name == one.module }
          if permission == nil {
            found.append("\(file.path): imports \(one.module), not allowed by the table for \(row.target)")
          } else if let name = one.declaration, let uses = permission?.uses, !uses.isEmpty, !uses.contains(name) {
            found.append("\(file.path): imports \(one.module).\(name), not allowed by the table for \(row.target)")
          }
        }
      }
      for module in row.touches {
        let importers = files.filter { $0.imports.contains { $0.module == module.name } }
        if importers.isEmpty {
          found.append("\(ArchitecturePage.path): \(row.target) may touch \(module.name) but does not import it")
          continue
        }
        for use in module.uses where !importers.contains(where: { $0.holds(use) }) {
          found.append(
            "\(ArchitecturePage.path): \(row.target) may touch \(module.name) for \(use) but does not use it")
        }
      }
    }
    for target in targets where files[target.name] == nil {
      let importers = targets.filter { other in
        (files[other.name] ?? []).contains { $0.imports.contains { $0.module == target.module } }
      }
      if importers.count != 1 {
        let names = importers.isEmpty ? "no target" : importers.map(\.name).joined(separator: " and ")
        found.append("Package.swift: \(target.name) is imported by \(names); a C module must have one importer")
      }
    }
    return found
  }

  /// Modules that a target must not reach, directly or indirectly.
  private var reachViolations: [String] {
    page.rows.flatMap { row in
      row.never.compactMap { module in
        chain(from: row.target, to: module).map {
          "\(ArchitecturePage.path): \(row.target) must never reach \(module) but does: \($0.joined(separator: " → "))"
        }
      }
    }
  }

  /// The shortest chain of imports; nil if there is none.
  private func chain(from target: String, to module: String) -> [String]? {
    var seen: Set<String> = [target]
    var chains = [[target]]
    var index = 0
    while index < chains.count {
      let chain = chains[index]
      index += 1
      let imports = (files[chain[chain.count - 1]] ?? []).flatMap(\.imports).map(\.module)
      if imports.contains(module) { return chain + [module] }
      for name in imports.compactMap({ names[$0] })
      where seen.insert(name).inserted {
        if name == module { return chain + [name] }
        chains.append(chain + [name])
      }
    }
    return nil
  }

  // MARK: - README.md

  /// Checks that README.md links to the page, and that its tables of targets have the page's order.
  private var readmeViolations: [String] {
    var found: [String] = []
    let lines = readme.split(separator: "\n")
    if !lines.contains(where: { $0.split(separator: "(").contains { $0.hasPrefix("\(ArchitecturePage.path))") } }) {
      found.append("README.md: has no link to \(ArchitecturePage.path)")
    }
    for table in MarkdownTable.all(in: readme) {
      var last: (place: Int, name: String)?
      for name in table.rows.compactMap(\.first).flatMap(targetNames) {
        guard let place = place(of: name) else { continue }
        if let last, last.place > place {
          found.append("README.md: lists \(name) after \(last.name), unlike \(ArchitecturePage.path)")
        }
        last = (place, name)
      }
    }
    return found
  }

  /// Targets named in a cell, as the text of a link or in backquotes.
  private func targetNames(in cell: String) -> [String] {
    cell.split { "[]`".contains($0) }.map(String.init).filter { place(of: $0) != nil }
  }
}
