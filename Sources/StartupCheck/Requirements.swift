// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Messages

/// What an initrd lacks for one purpose.
package struct Lack: Hashable, Sendable {
  /// What the missing things are for.
  package enum Purpose: Hashable, Sendable {
    /// Any root file system.
    case start
    case layer(RootNeeds.Layer)
  }

  package var purpose: Purpose
  /// Such as `module zfs`; not empty.
  package var things: [Message]
  /// The same for programs.
  package var names: [String]
}

/// Compares an initrd with what a root file system needs.
package struct Requirements {
  let kernel: Kernel
  let modules: InstalledModules
  let contents: InitrdContents
  let commandLine: [CommandLineWord]

  package init(
    _ kernel: Kernel, modules: InstalledModules, contents: InitrdContents, commandLine: [CommandLineWord]
  ) {
    self.kernel = kernel
    self.modules = modules
    self.contents = contents
    self.commandLine = commandLine
  }

  /// The modules of this kernel in the initrd.
  private var present: Set<String> { contents.modules[kernel.release] ?? [] }

  /// What is missing; empty if nothing is, or if the initrd cannot be examined.
  package func lacks(for needs: RootNeeds) -> [Lack] {
    guard !contents.isOpaque else { return [] }
    let start = startLack
    // Without its modules every layer is incomplete.
    let layers = hasModules ? needs.layers.sorted() : []
    return [start].compactMap { $0 } + layers.compactMap { lack(of: $0) }
  }

  private var hasModules: Bool {
    modules.isEmpty || contents.modules[kernel.release] != nil && contents.indexed.contains(kernel.release)
  }

  private var startLack: Lack? {
    var found = Missing()
    if !contents.hasInit { found.add("the program /init", "init") }
    if !hasModules {
      let path = "lib/modules/\(kernel.release)"
      if contents.modules[kernel.release] == nil {
        found.add("the directory \(path)", path)
      } else {
        found.add("the file \(path)/modules.dep", "\(path)/modules.dep")
      }
    }
    return found.lack(for: .start)
  }

  private func lack(of layer: RootNeeds.Layer) -> Lack? {
    var found = Missing()
    func need(module: String) {
      for name in modules.missing(for: module, from: present) { found.add("the module \(name)", name) }
    }
    func need(program names: String...) {
      guard contents.programs.isDisjoint(with: names), let name = names.first else { return }
      found.add("the program \(name)", name)
    }
    switch layer {
    case .fileSystem(let type):
      need(module: FileSystemModule.name(of: type, modules))
    case .zfs:
      need(module: "zfs")
      need(program: "zpool")
      need(program: "zfs", "mount.zfs")
    case .logicalVolume:
      need(module: "dm_mod")
      need(program: "lvm")
    case .encryption:
      need(module: "dm_mod")
      need(module: "dm_crypt")
      need(program: "cryptsetup", "systemd-cryptsetup")
      let isOnLine = commandLine.contains { $0.name == "cryptopts" && $0.value?.isEmpty == false }
      if contents.generator == .initramfsTools, !contents.hasCryptroot, !isOnLine {
        found.add("the file cryptroot/crypttab", "cryptroot/crypttab")
      }
    case .array(let level):
      need(module: "md_mod")
      if let module = Self.module(ofLevel: level) { need(module: module) }
      need(program: "mdadm")
    }
    return found.lack(for: .layer(layer))
  }

  /// The module of an md level as in sysfs; nil if unknown.
  private static func module(ofLevel level: String) -> String? {
    switch level {
    case "raid4", "raid5", "raid6": "raid456"
    case "raid0", "raid1", "raid10", "linear": level
    default: nil
    }
  }

  private struct Missing {
    private var things: [Message] = []
    private var names: [String] = []

    mutating func add(_ thing: Message, _ name: String) {
      guard !names.contains(name) else { return }
      things.append(thing)
      names.append(name)
    }

    func lack(for purpose: Lack.Purpose) -> Lack? {
      things.isEmpty ? nil : Lack(purpose: purpose, things: things, names: names)
    }
  }
}

/// The modules of file systems.
private enum FileSystemModule {
  /// The module for a type as in mountinfo; ext4 also mounts ext2 and ext3.
  static func name(of type: String, _ modules: InstalledModules) -> String {
    let own = ModuleName(type)?.text ?? type
    guard type == "ext2" || type == "ext3", !modules.isLoadable(own), !modules.isBuiltIn(own) else { return own }
    return "ext4"
  }
}
