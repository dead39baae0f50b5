// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
package import HostSystem
package import Messages
internal import PortableExecutable
internal import Reconcile
package import SigningKeys
internal import UnifiedKernelImage

/// `pve-sb-uki build`: builds one UKI from the given files.
package struct BuildImage: Sendable {
  package var linux: String
  /// In loading order.
  package var initrds: [String]
  /// The command line, or `@` and the path of a file with it; nil for that of the host, empty for none.
  package var commandLine: String?
  /// Path of the os-release file; nil for that of the host, empty for none.
  package var osRelease: String?
  package var uname: String?
  /// Path of the stub; nil for that of the host.
  package var stub: String?
  package var splash: String?
  package var sbat: String?
  package var microcode: String?
  package var sections: [(name: String, path: String)] = []
  /// Files with the settings of profiles, as in `/etc/pve-sb-uki/profiles.d`; their names without `.conf` are the IDs.
  package var profiles: [String] = []
  /// Nil leaves the UKI unsigned.
  package var key: KeySource?
  /// Path of the output; nil for the kernel's file name with `.efi`, in the working directory.
  package var output: String?

  package init(linux: String, initrds: [String]) {
    self.linux = linux
    self.initrds = initrds
  }

  package struct Result: Sendable {
    package var path: String
    /// Size of the file in bytes.
    package var size: Int
    /// SHA-256 Authenticode digest in hexadecimal.
    package var digest: String
    /// Subject of the signing certificate; nil if the UKI is unsigned.
    package var signer: String?
    package var kernelRelease: String?
    package var notes: [Message]
  }

  /// Builds, signs and verifies the UKI, then puts it in place.
  ///
  /// Throws `Failure` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let identity = try key?.load(from: host)
    var notes: [Message] = []
    let plan = try describing(linux) { try ImagePlan(try recipe(host, &notes)) }
    let path = output ?? "\(PathName(linux).fileName).efi"
    try ImageWriter.require(path, toBeNoneOf: inputs, in: host.userFiles)
    return try describing(path) {
      let written = try ImageWriter.write(
        plan, to: path, in: host.userFiles, signingBy: identity, signingTime: try host.buildTime,
        progress: WriteProgress(of: Message(verbatim: path), total: plan.size, on: host))
      return Result(
        path: path, size: written.size, digest: written.image.digest.hexadecimal,
        signer: identity?.certificate.subject, kernelRelease: plan.uname,
        notes: notes + plan.notes + [identity?.certificate.validityWarning(on: host)?.note].compactMap { $0 })
    }
  }

  private var inputs: [String] {
    let lineFile = commandLine.flatMap { $0.hasPrefix("@") ? String($0.dropFirst()) : nil }
    let optional = [stub, osRelease, splash, sbat, microcode, lineFile].compactMap { $0 }.filter { !$0.isEmpty }
    let repeated: [String] = initrds + sections.map(\.path) + profiles
    return [linux] + optional + repeated + (key?.userPaths ?? [])
  }

  /// `notes` gets what comes from the host, and what is left out.
  private func recipe(_ host: Host, _ notes: inout [Message]) throws -> ImageRecipe {
    func input(_ path: String) throws -> NamedInput {
      NamedInput(name: path, bytes: try host.userFiles.openFile(path))
    }
    let linux = try input(linux)
    let stubInput = try stub.map(input) ?? Self.hostStub(for: KernelImage(parsing: linux).header.machine, host)
    var recipe = ImageRecipe(stub: stubInput, linux: linux, initrds: try initrds.map(input))
    recipe.microcode = try microcode.map(input)
    if let commandLine {
      recipe.commandLine = commandLine.isEmpty ? nil : try Self.line(commandLine, host)
    } else {
      recipe.commandLine = try hostLine(for: linux, host, &notes)
    }
    if let osRelease {
      recipe.osRelease = osRelease.isEmpty ? nil : try input(osRelease)
    } else {
      recipe.osRelease = try Self.hostOSRelease(host, &notes)
    }
    recipe.uname = uname
    recipe.splash = try splash.map(input)
    recipe.sbat = try sbat.map(input)
    recipe.extraSections = try sections.map { ($0.name, try input($0.path)) }
    let line = recipe.commandLine.map { String(decoding: $0, as: UTF8.self) } ?? ""
    recipe.profiles = try profiles.map { try Self.profile($0, base: line, host) }
    return recipe
  }

  /// The command line that `Apply` would use for this kernel; nil without one.
  ///
  /// In a container, the running kernel's line is that of another system.
  private func hostLine(for linux: NamedInput, _ host: Host, _ notes: inout [Message]) throws -> [UInt8]? {
    do {
      let kernel = try (uname ?? KernelImage(parsing: linux).release).flatMap { Kernel(release: $0) }
      let line = try kernel.map { try CommandLine(of: host.files, for: $0) } ?? CommandLine(of: host.files)
      let isForeign =
        try line.path == CommandLine.runningPath && (!host.isRunningSystem || SkipReason.isContainer(host))
      if !line.text.isEmpty, !isForeign {
        notes.append("command line from \(line.parts.map(\.path).joined(separator: ", ")): \(line.text)")
        return Array(line.text.utf8)
      }
    } catch is BootEnvironmentError {}
    notes.append("the UKI has no command line; specify it with --cmdline")
    return nil
  }

  private static func hostOSRelease(_ host: Host, _ notes: inout [Message]) throws -> NamedInput? {
    for path in ["/etc/os-release", "/usr/lib/os-release"] where try host.files.exists(path) {
      notes.append("os-release from \(host.files.display(path))")
      return NamedInput(name: path, bytes: try host.files.openFile(path))
    }
    notes.append("the UKI has no .osrel, so systemd-boot does not list it; specify a file with --os-release")
    return nil
  }

  private static func profile(_ path: String, base: String, _ host: Host) throws -> ImageProfile {
    let name = PathName(path).fileName
    let id = name.hasSuffix(".conf") ? String(name.dropLast(".conf".count)) : String(name)
    do {
      let profile = try BootProfile(id: id, parsing: host.userFiles.readFile(path, limit: 1 << 16), path: path)
      return try ImageProfile(
        id: id, title: profile.title, commandLine: Array(profile.commandLine(from: base).utf8))
    } catch let error as BootEnvironmentError {
      throw Failure(error.message, hint: error.hint)
    }
  }

  private static func hostStub(for machine: Machine, _ host: Host) throws -> NamedInput {
    let path = BootPrograms(machine).stub
    return NamedInput(name: path, bytes: try ImageInputs.openStub(path, host))
  }

  /// The line in the argument, or in the file after `@`, which has the syntax of `/etc/kernel/cmdline`.
  private static func line(_ argument: String, _ host: Host) throws -> [UInt8] {
    do {
      guard argument.hasPrefix("@") else { return Array(try CommandLineText.line(argument).utf8) }
      let path = String(argument.dropFirst())
      return Array(try CommandLine.part(path, host.userFiles.readFile(path, limit: 1 << 16)).text.utf8)
    } catch let error as BootEnvironmentError {
      throw Failure(error.message, hint: error.hint)
    }
  }
}
