// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import BootEnvironment
internal import Compression
package import Findings
package import HostSystem
internal import InitialRAMDisk
internal import Messages
internal import PortableExecutable
internal import UnifiedKernelImage

/// Finds out whether the kernels in UKIs will reach their root file systems.
///
/// Changes nothing; the caller may save `record`.
package struct StartupSurvey {
  /// A UKI made by pve-sb-uki; copies on several ESPs are one.
  package struct Image: Sendable {
    /// By its file name.
    package var kernel: Kernel
    /// The file, for messages, such as `EFI/Linux/pve-6.8.12-4-pve.efi`.
    package var name: String
    /// Its name on the ESP; nil for a file elsewhere.
    package var uki: UKIName?
    /// The digest in the manifest; nil if unknown, so that nothing is recorded.
    package var digest: [UInt8]?
    /// The file that its initrd was made from; nil if unknown.
    package var initrd: InputRecord?
    /// The command line that it should have; nil if any is right, as for a previous UKI.
    package var configured: CommandLine?
    /// Whether the running system was booted from it.
    package var isProven: Bool
    /// Opens the file.
    package var open: @Sendable () throws -> any RandomAccessBytes

    package init(
      _ kernel: Kernel, name: String, digest: [UInt8]? = nil, configured: CommandLine? = nil, isProven: Bool = false,
      open: @escaping @Sendable () throws -> any RandomAccessBytes
    ) {
      self.kernel = kernel
      self.name = name
      self.digest = digest
      self.configured = configured
      self.isProven = isProven
      self.open = open
    }
  }

  /// The result for one UKI.
  package struct Result: Sendable {
    package var kernel: Kernel
    package var name: String
    package var uki: UKIName?
    /// Whether its content is known.
    package var isExamined: Bool
    /// Nil if it is unknown.
    package var usage: ImageUsage?
    /// The program that made its initrd.
    package var generator: InitrdContents.Generator
    package var findings: [Finding]

    package init(
      kernel: Kernel, name: String, uki: UKIName? = nil, isExamined: Bool = false, usage: ImageUsage? = nil,
      generator: InitrdContents.Generator = .unknown, findings: [Finding] = []
    ) {
      self.kernel = kernel
      self.name = name
      self.uki = uki
      self.isExamined = isExamined
      self.usage = usage
      self.generator = generator
      self.findings = findings
    }
  }

  private let host: Host
  private let isQuick: Bool
  /// The UKIs that were examined this time, for the next time.
  package private(set) var record = StartupRecord()
  private let known: StartupRecord
  private var installed: [Kernel: InstalledModules] = [:]
  /// Whether an initrd could not be unpacked for lack of libarchive.
  private var lacksLibrary = false
  /// The running kernel's command line, which has booted; nil if unknown.
  private let runningLine: [CommandLineWord]?

  /// Seconds for one initrd; a slow machine needs ten for the largest.
  private static let timeLimit: Int64 = 60

  /// Starts a survey that uses what was found earlier and, if it is quick, reads no UKI.
  package init(on host: Host, known: StartupRecord, isQuick: Bool = false) {
    self.host = host
    self.known = known
    self.isQuick = isQuick
    let running = host.isRunningSystem ? (try? CommandLine.running(in: host.files)) ?? nil : nil
    runningLine = running.map { CommandLineWord.split($0) }
  }

  /// Examines a UKI.
  package mutating func examine(_ image: Image) -> Result {
    var result = Result(kernel: image.kernel, name: image.name, uki: image.uki)
    do {
      result.findings += try kernelFindings(image)
      if let examined = try examined(image, &result.findings) {
        result.isExamined = true
        result.usage = examined.usage
        result.generator = examined.initrd.generator
        result.findings += try findings(image, examined)
      }
      result.findings += try dkmsFindings(image)
    } catch let error as CompressionError where error.operation == .unavailable {
      if !lacksLibrary {
        result.findings.append(
          Finding(
            .remark, "initrds are not examined: libarchive is not installed; run 'apt install libarchive13'",
            actions: [.run("apt install libarchive13")]))
      }
      lacksLibrary = true
    } catch {
      result.findings.append(
        Finding(.remark, "\(image.name) was not examined completely: \(error)", arguments: Self.arguments(image)))
    }
    if result.usage == nil, !isQuick, let source = try? image.open(), let header = try? PEHeader(parsing: source) {
      result.usage = try? ImageUsage(of: header, in: source)
    }
    return result
  }

  private static func arguments(_ image: Image) -> KeyValuePairs<String, JSONValue> {
    ["kernel": .string(image.kernel.release), "file": .string(image.name)]
  }

  // MARK: The UKI

  /// The content of a UKI; nil if it cannot be examined, which may be a finding.
  private mutating func examined(_ image: Image, _ findings: inout [Finding]) throws -> ExaminedImage? {
    if let digest = image.digest, let found = known[digest] {
      record.set(digest, found, from: image.initrd)
      return found
    }
    guard !isQuick else { return nil }
    let start = host.now()
    do {
      let found = try ExaminedImage(
        reading: image.open(), sharingInitrdWith: image.initrd.flatMap { known.image(withInitrd: $0) },
        isOverdue: { [host] in abs(host.now() - start) > Self.timeLimit })
      if let digest = image.digest { record.set(digest, found, from: image.initrd) }
      return found
    } catch let error as ParseError {
      if error.rule == .limit || error.rule == .unsupported {
        findings.append(
          Finding(
            .remark, "\(image.name): its initrd was not examined: \(error.detail)", arguments: Self.arguments(image)))
      } else {
        findings.append(
          Finding(
            .initrdIncomplete, "\(image.name): the kernel cannot unpack its initrd: \(error)",
            arguments: Self.arguments(image), actions: [.run(InitrdCommand(host, image.kernel, .unknown).text)]))
      }
      return nil
    }
  }

  // MARK: The kernel

  private mutating func installedModules(_ kernel: Kernel) throws -> InstalledModules {
    if let known = installed[kernel] { return known }
    let modules = try InstalledModules(of: kernel, in: host.files)
    installed[kernel] = modules
    return modules
  }

  /// Whether the kernel is installed with its modules.
  private func kernelFindings(_ image: Image) throws -> [Finding] {
    let directory = InstalledModules.directory(of: image.kernel)
    guard try host.files.isDirectory(directory) else {
      let package = try InstalledPackages(host.files).kernelPackage(image.kernel)
      return [
        Finding(
          .kernelIncomplete,
          "\(image.name): kernel \(image.kernel.release) has no modules: \(host.files.display(directory)) does not exist",
          arguments: Self.arguments(image),
          actions: [package.map { .run("apt install --reinstall \($0)") } ?? .advise("install this kernel again")])
      ]
    }
    guard try !host.files.exists("\(directory)/modules.dep") else { return [] }
    return [
      Finding(
        .kernelIncomplete,
        """
        \(image.name): kernel \(image.kernel.release) cannot load modules: \
        \(host.files.display(directory))/modules.dep does not exist
        """, arguments: Self.arguments(image), actions: [.run("depmod \(image.kernel.release)")])
    ]
  }

  private func nameFindings(_ image: Image, _ examined: ExaminedImage) -> [Finding] {
    guard examined.uname != image.kernel.release else { return [] }
    let message: Message =
      if let uname = examined.uname { "\(image.name) contains kernel \(uname), not the kernel in its name" } else {
        "\(image.name) does not name its kernel: section \(SectionName.uname) is missing"
      }
    return [
      Finding(
        .kernelIncomplete, message, arguments: Self.arguments(image),
        actions: [.run("pve-sb-uki apply --force --kernel \(image.kernel.release)")])
    ]
  }

  // MARK: The command line and the initrd

  private mutating func findings(_ image: Image, _ examined: ExaminedImage) throws -> [Finding] {
    let words = CommandLineWord.split(examined.commandLine)
    var findings = nameFindings(image, examined)
    if let configured = image.configured, configured.text != examined.commandLine {
      findings.append(
        Finding(
          .commandLineDiffers, "\(image.name): its command line is not the configured one: \(examined.commandLine)",
          arguments: [
            "kernel": .string(image.kernel.release), "file": .string(image.name),
            "command_line": .string(examined.commandLine), "configured": .string(configured.text),
          ], actions: [.run("pve-sb-uki apply")]))
    }
    // The running system has reached its root file system with this UKI.
    guard !image.isProven else { return findings }
    if words != runningLine { findings += rootFindings(image, words, examined.initrd.generator) }
    if examined.initrd.isOpaque {
      findings.append(
        Finding(
          .remark, "\(image.name): its initrd was not examined: it contains another file system",
          arguments: Self.arguments(image)))
    } else {
      findings += try initrdFindings(image, words, examined.initrd)
    }
    return findings
  }

  private func rootFindings(
    _ image: Image, _ words: [CommandLineWord], _ generator: InitrdContents.Generator
  ) -> [Finding] {
    func errors(_ words: [CommandLineWord]) -> [CommandLineFinding] {
      let isReadByDracut: Bool? =
        switch generator {
        case .dracut: true
        case .initramfsTools: false
        case .unknown: nil
        }
      let rules = CommandLineRules(
        lengthLimit: KernelImage.usualCommandLineLimit, host: host, isReadByDracut: isReadByDracut)
      return rules.rootFindings(in: words).filter { $0.severity != .warning }
    }
    // A better line may only wait for apply.
    let isCured = image.configured.map { $0.words != words && errors($0.words).isEmpty } ?? false
    return errors(words).map { found in
      Finding(
        .rootMissing, "\(image.name): its command line names no usable root file system: \(found.detail)",
        arguments: Self.arguments(image), actions: [.run(isCured ? "pve-sb-uki apply" : "pve-sb-uki cmdline edit")])
    }
  }

  private mutating func initrdFindings(
    _ image: Image, _ words: [CommandLineWord], _ initrd: InitrdContents
  ) throws -> [Finding] {
    let modules = try installedModules(image.kernel)
    let needs = try RootNeeds(of: words, readBy: initrd.generator, on: host)
    let requirements = Requirements(image.kernel, modules: modules, contents: initrd, commandLine: words)
    let command = InitrdCommand(host, image.kernel, initrd.generator)
    var findings = try requirements.lacks(for: needs).map { lack in
      Finding(
        .initrdIncomplete,
        "\(image.name): its initrd lacks \(lack.things.joined(separator: ", ")), needed for \(lack.purpose.text)",
        arguments: [
          "kernel": .string(image.kernel.release), "file": .string(image.name), "purpose": .string(lack.purpose.name),
          "missing": .array(lack.names.map { .string($0) }),
        ], actions: try command.actions(for: lack))
    }
    // The initrd cannot contain a module that the kernel does not have.
    if needs.layers.contains(.zfs), !modules.isEmpty, !modules.isBuiltIn("zfs"), !modules.isLoadable("zfs") {
      findings.append(
        Finding(
          .kernelIncomplete,
          "\(image.name): kernel \(image.kernel.release) has no module zfs, which its root file system needs",
          arguments: Self.arguments(image),
          actions: [
            try host.files.isDirectory("/var/lib/dkms/zfs")
              ? .run("dkms autoinstall -k \(image.kernel.release) && \(command.text)")
              : .advise("install the module zfs for this kernel")
          ]))
    }
    return findings
  }

  // MARK: Modules of dkms

  /// Modules that dkms has built for the running kernel, but not for this newer one.
  private func dkmsFindings(_ image: Image) throws -> [Finding] {
    guard host.isRunningSystem, let running = Kernel(release: host.kernelRelease), image.kernel.isNewer(than: running)
    else { return [] }
    let missing = try DKMSModules(in: host.files).missing(for: image.kernel, butBuiltFor: running)
    guard !missing.isEmpty else { return [] }
    return [
      Finding(
        .moduleMissing,
        """
        kernel \(image.kernel.release) lacks modules that dkms has built for the running kernel: \
        \(missing.joined(separator: ", "))
        """,
        arguments: ["kernel": .string(image.kernel.release), "modules": .array(missing.map { .string($0) })],
        actions: [.run("dkms autoinstall -k \(image.kernel.release)")])
    ]
  }
}
