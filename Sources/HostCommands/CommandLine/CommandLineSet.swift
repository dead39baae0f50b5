// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import Reconcile
internal import UnifiedKernelImage

/// `pve-sb-uki cmdline set`, `add` and `remove`: checks a changed command line and writes it to its file.
///
/// `Apply` then rebuilds the UKIs.
package struct CommandLineSet: Sendable {
  /// What to do with the line.
  package enum Change: Hashable, Sendable {
    case replace(String)
    /// Append those words of a line that it does not contain.
    case add(String)
    /// Remove words; a word without `=` also means all parameters of that name.
    case remove([String])
    /// Remove the override of the kernel.
    case discard
  }

  package var change: Change
  /// Release of the kernel whose override to set; nil for the line of all other kernels.
  package var kernel: String?
  /// Whether to check the line only.
  package var isDryRun = false
  /// Whether to write the line despite errors.
  package var isForced = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  private var notes: [Message] = []

  package init(_ change: Change, kernel: String? = nil) {
    self.change = change
    self.kernel = kernel
  }

  /// Replaces the line, or adds to it, by several arguments: the first one may be a line, each further one is a word.
  ///
  /// A word with white space gets quotation marks, which a warning reports. Throws `BootEnvironmentError` if it already
  /// contains some.
  package init(arguments: [String], kernel: String? = nil, change: (String) -> Change = { .replace($0) }) throws {
    let (line, quoted) = try CommandLineText.line(of: arguments)
    self.init(change(line), kernel: kernel)
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
  /// Throws `Failure` or `HostError` if it cannot be checked or written, or if a word to remove is in another file.
  package func run(on host: Host) throws -> Result {
    let target = try CommandLineTarget(kernel: kernel)
    // An invalid line does not even create the lock file.
    let draft = try judge(target, on: host)
    guard draft.errors.isEmpty else { return draft }
    return try locked(host) {
      var result = try judge(target, on: host)
      guard result.errors.isEmpty else { return result }
      if let line = result.new {
        try write(line, to: target, on: host, result: &result)
      } else {
        try discard(target, on: host, result: &result)
      }
      return result
    }
  }

  private func judge(_ target: CommandLineTarget, on host: Host) throws -> Result {
    var result = Result(path: target.path)
    result.old = target.present(in: host.files)
    var found = notes
    result.new = try line(of: target, on: host, &found)
    guard let line = result.new else { return result }
    result.classify(try describing(target.path) { try target.findings(with: line, on: host) }, isForced: isForced)
    result.warnings = found + result.warnings
    return result
  }

  /// The new line; nil if the file is to be removed.
  private func line(of target: CommandLineTarget, on host: Host, _ warnings: inout [Message]) throws -> String? {
    switch change {
    case .discard: return nil
    case .replace(let line): return CommandLine.trimmed(line)
    case .add(let line):
      let old = try target.base(in: host.files)
      let present = CommandLineWord.split(old)
      let (known, new) = CommandLineWord.split(line).partitioned { present.contains($0) }
      warnings += known.map { "the line already contains \($0.text)" }
      for word in new {
        for other in present where other.name == word.name {
          warnings.append("the line also contains \(other.text); most parameters take the last value")
        }
      }
      return ([old] + new.map(\.text)).filter { !$0.isEmpty }.joined(separator: " ")
    case .remove(let arguments):
      let old = try target.base(in: host.files)
      var words = CommandLineWord.split(old)
      for wanted in arguments.flatMap({ CommandLineWord.split($0) }) {
        let count = words.count
        words.removeAll { $0 == wanted || wanted.value == nil && $0.name == wanted.name }
        guard words.count == count else { continue }
        if target.kernel == nil { try Self.requireAbsence(of: wanted, on: host) }
        warnings.append("the line does not contain \(wanted.text)")
      }
      return words == CommandLineWord.split(old) ? old : words.map(\.text).joined(separator: " ")
    }
  }

  /// Throws `Failure` if a fragment has the word.
  private static func requireAbsence(of wanted: CommandLineWord, on host: Host) throws {
    for part in try CommandLine.fragments(of: host.files) {
      let words = CommandLineWord.split(part.text)
      guard words.contains(where: { $0 == wanted || wanted.value == nil && $0.name == wanted.name }) else { continue }
      throw Failure(
        "\(wanted.text) is in \(part.path), not in \(CommandLine.filePath)",
        hint: "remove it there, then run 'pve-sb-uki apply'")
    }
  }

  private func write(_ line: String, to target: CommandLineTarget, on host: Host, result: inout Result) throws {
    let files = host.files
    let content = try files.readFileIfPresent(target.path, limit: 1 << 16) ?? []
    // Keep a file with the same line in another form.
    if let part = try? CommandLine.part(target.path, content), part.text == line { return }
    result.isChange = true
    guard !isDryRun else { return }
    try files.makeDirectory("/etc/kernel")
    try files.replaceFile(target.path, content: Self.headComments(of: content) + Array("\(line)\n".utf8))
  }

  private func discard(_ target: CommandLineTarget, on host: Host, result: inout Result) throws {
    guard target.kernel != nil else { throw Failure("only a kernel's own line can be removed", hint: "add --kernel") }
    result.isChange = try host.files.linkStatus(of: target.path) != nil
    if result.isChange, !isDryRun { try host.files.remove(target.path) }
  }

  private func locked(_ host: Host, _ body: () throws -> Result) throws -> Result {
    let lock = try isDryRun ? nil : host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    return try withExtendedLifetime(lock, body)
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

  /// The line that changes start from; without an override, that of all kernels with its fragments.
  ///
  /// Throws `BootEnvironmentError` or `HostError`.
  func base(in files: FileSystem) throws -> String {
    guard let kernel else { return try CommandLine.base(of: files).text }
    return try CommandLine(of: files, for: kernel).text
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

extension Sequence {
  /// The elements that satisfy the predicate, and the others, each in order.
  fileprivate func partitioned(by belongs: (Element) -> Bool) -> (matching: [Element], others: [Element]) {
    reduce(into: ([], [])) { parts, element in
      if belongs(element) { parts.0.append(element) } else { parts.1.append(element) }
    }
  }
}
