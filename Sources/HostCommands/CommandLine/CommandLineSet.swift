// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile
internal import UnifiedKernelImage

/// `pve-sb-uki cmdline set`: checks a command line and writes it to its file.
///
/// `Apply` then rebuilds the UKIs.
package struct CommandLineSet: Sendable {
  /// The new line; nil removes the override of the kernel.
  package var line: String?
  /// Release of the kernel whose override to set; nil for the line of all other kernels.
  package var kernel: String?
  /// Whether to check the line only.
  package var isDryRun = false
  /// Whether to write the line despite errors.
  package var isForced = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  private var notes: [Message] = []

  package init(line: String?, kernel: String? = nil) {
    self.line = line
    self.kernel = kernel
  }

  /// Sets the line in several arguments: the first one may be a line, each further one is a word.
  ///
  /// A word with white space gets quotation marks, which a warning reports. Throws `BootEnvironmentError` if it already
  /// contains some.
  package init(arguments: [String], kernel: String? = nil) throws {
    let (line, quoted) = try CommandLineText.line(of: arguments)
    self.init(line: line, kernel: kernel)
    notes = quoted.map { "an argument contains white space and becomes one word: \($0.text)" }
  }

  package struct Result: Sendable {
    /// The file.
    package var path: String
    /// The previous line, without fragments; nil if there was none or it cannot be read.
    package var old: String?
    /// The new line; nil if the file is removed.
    package var new: String?
    /// Whether the file was, or would be, written or removed.
    package var isChange = false
    /// Why nothing was written, one sentence each.
    package var errors: [Message] = []
    /// What to do about the errors.
    package var hint: Message?
    /// Findings that may be intended, one sentence each.
    package var warnings: [Message] = []
    /// The difference from the old to the new line.
    package var difference: WordDifference? {
      guard let old, let new else { return nil }
      return WordDifference(from: old, to: new)
    }
  }

  /// Checks the line and writes it.
  ///
  /// Throws `Failure` or `HostError` if it cannot be checked or written.
  package func run(on host: Host) throws -> Result {
    let target = try CommandLineTarget(kernel: kernel)
    var result = Result(path: target.path)
    guard let line = line.map({ CommandLine.trimmed($0) }) else { return try remove(target, on: host, result: &result) }
    result.new = line
    result.classify(try describing(target.path) { try target.findings(with: line, on: host) }, isForced: isForced)
    result.warnings = notes + result.warnings
    result.old = target.present(in: host.files)
    guard result.errors.isEmpty else { return result }
    return try write(line, to: target, on: host, result: &result)
  }

  private func write(
    _ line: String, to target: CommandLineTarget, on host: Host, result: inout Result
  ) throws -> Result {
    try locked(host) {
      let files = host.files
      let content = try files.readFileIfPresent(target.path, limit: 1 << 16) ?? []
      // Keep a file with the same line in another form.
      if let part = try? CommandLine.part(target.path, content), part.text == line { return }
      result.isChange = true
      guard !isDryRun else { return }
      try files.makeDirectory("/etc/kernel")
      try files.replaceFile(target.path, content: Self.headComments(of: content) + Array("\(line)\n".utf8))
    }
    return result
  }

  private func remove(_ target: CommandLineTarget, on host: Host, result: inout Result) throws -> Result {
    guard target.kernel != nil else { throw Failure("only a kernel's own line can be removed", hint: "add --kernel") }
    result.old = target.present(in: host.files)
    try locked(host) {
      result.isChange = try host.files.linkStatus(of: target.path) != nil
      if result.isChange, !isDryRun { try host.files.remove(target.path) }
    }
    return result
  }

  private func locked(_ host: Host, _ body: () throws -> Void) throws {
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    try withExtendedLifetime(lock, body)
  }

  /// The comments and blank lines before the first other line; empty if there is no such line.
  private static func headComments(of content: [UInt8]) -> [UInt8] {
    var head: [UInt8] = []
    for line in content.split(separator: 0x0a, omittingEmptySubsequences: false) {
      let text = line.drop { $0 == 0x20 || $0 == 0x09 }
      guard text.isEmpty || text.first == UInt8(ascii: "#") else { return head }
      head += line + [0x0a]
    }
    // The last element is the text after the last line feed.
    return content.isEmpty || content.last == 0x0a ? head.dropLast() : head
  }
}

extension CommandLineSet.Result {
  mutating func classify(_ findings: [CommandLineFinding], isForced: Bool) {
    func isInTheWay(_ finding: CommandLineFinding) -> Bool {
      finding.severity == .impossible || finding.severity == .error && !isForced
    }
    errors = findings.filter(isInTheWay).map(\.message)
    warnings = findings.filter { !isInTheWay($0) }.map(\.message)
    guard !errors.isEmpty else { return }
    let isPossible = findings.allSatisfy { $0.severity != .impossible }
    hint = isPossible ? "correct the line, or use --force to write it anyway" : "correct the line"
  }
}

/// The file to change: the base, or the override of a kernel.
struct CommandLineTarget {
  let kernel: Kernel?

  /// Throws `Failure` if the release is not valid.
  init(kernel release: String?) throws {
    kernel = try release.map { release in
      guard let kernel = Kernel(release: release) else {
        throw Failure("'\(release)' is not a kernel release", hint: "use the form that 'uname -r' prints")
      }
      return kernel
    }
  }

  var path: String { kernel.map { CommandLine.overridePath(of: $0) } ?? CommandLine.filePath }

  /// The line in the file, or for the base the line used without it; nil if it cannot be read.
  func present(in files: FileSystem) -> String? {
    guard let kernel else { return try? CommandLine.base(of: files).text }
    return (try? CommandLine.override(for: kernel, in: files))?.text
  }

  /// The complete line of kernels if the file contains `text`.
  ///
  /// Throws `BootEnvironmentError` for an invalid fragment.
  func line(with text: String, in files: FileSystem) throws -> CommandLine {
    let part = CommandLine.Part(path: path, text: text)
    return CommandLine(parts: [part] + (kernel == nil ? try CommandLine.fragments(of: files) : []))
  }

  /// The findings about that line.
  ///
  /// Throws `HostError` or `BootEnvironmentError`.
  func findings(with text: String, on host: Host) throws -> [CommandLineFinding] {
    let rules = CommandLineRules(lengthLimit: KernelImage.usualCommandLineLimit, host: host)
    guard !text.isEmpty else { return [CommandLineFinding(.impossible, "the command line is empty")] }
    return try rules.findings(in: line(with: text, in: host.files), namedLike: path) + notes(on: host)
  }

  /// Findings about the effect of other files.
  private func notes(on host: Host) throws -> [CommandLineFinding] {
    var findings: [CommandLineFinding] = []
    if let kernel {
      if try !host.files.exists(CommandLine.filePath) {
        findings.append(
          CommandLineFinding(
            .warning,
            "\(CommandLine.filePath) does not exist: other kernels use the running kernel's command line"))
      }
      if try !KernelInventory(of: host.files).present.contains(kernel.release) {
        findings.append(CommandLineFinding(.warning, "kernel \(kernel.release) is not installed"))
      }
    } else {
      for kernel in try CommandLine.overriddenKernels(in: host.files) {
        findings.append(
          CommandLineFinding(
            .warning,
            "kernel \(kernel.release) does not use this line: \(CommandLine.overridePath(of: kernel)) overrides it"))
      }
    }
    return findings
  }
}
