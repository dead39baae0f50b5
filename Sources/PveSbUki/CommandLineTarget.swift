// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages
internal import UnifiedKernelImage

/// The file that a change of the command line goes to: the base, or one kernel's own.
struct CommandLineTarget {
  let kernel: Kernel?

  /// Throws `Failure` for a release that is none.
  init(kernel release: String?) throws {
    kernel = try release.map { release in
      guard let kernel = Kernel(release: release) else {
        throw Failure("'\(release)' is no kernel release", hint: "give it as 'uname -r' prints it")
      }
      return kernel
    }
  }

  var path: String { kernel.map { CommandLine.overridePath(of: $0) } ?? CommandLine.filePath }

  /// What the file says, or for the base what stands in for it; nil if that cannot be read.
  func present(in files: FileSystem) -> String? {
    guard let kernel else { return try? CommandLine.base(of: files).text }
    return (try? CommandLine.override(for: kernel, in: files))?.text
  }

  /// The whole line that kernels get with `text` in the file. Throws `BootEnvironmentError` for a fragment that cannot be
  /// one.
  func line(with text: String, in files: FileSystem) throws -> CommandLine {
    let part = CommandLine.Part(path: path, text: text)
    return CommandLine(parts: [part] + (kernel == nil ? try CommandLine.fragments(of: files) : []))
  }

  /// What is to be said about that line.
  func findings(with text: String, on host: Host) throws -> [CommandLineFinding] {
    let rules = CommandLineRules(lengthLimit: KernelImage.usualCommandLineLimit, host: host)
    guard !text.isEmpty else { return [CommandLineFinding(.impossible, "the line is empty")] }
    return try rules.findings(in: line(with: text, in: host.files), namedLike: path) + notes(on: host)
  }

  /// What follows from other files.
  private func notes(on host: Host) throws -> [CommandLineFinding] {
    var findings: [CommandLineFinding] = []
    if let kernel {
      if try !host.files.exists(CommandLine.filePath) {
        findings.append(
          CommandLineFinding(
            .warning,
            "there is no \(CommandLine.filePath): other kernels get the line of the running one, whichever that is"))
      }
      if try !Kernel.inventory(of: host.files).present.contains(kernel.release) {
        findings.append(CommandLineFinding(.warning, "kernel \(kernel.release) is not installed"))
      }
    } else {
      for kernel in try CommandLine.overriddenKernels(in: host.files) {
        findings.append(
          CommandLineFinding(
            .warning, "kernel \(kernel.release) does not get it: \(CommandLine.overridePath(of: kernel)) counts there"))
      }
    }
    return findings
  }
}
