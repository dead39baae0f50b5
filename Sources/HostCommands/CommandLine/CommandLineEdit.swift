// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages
internal import Reconcile

/// `pve-sb-uki cmdline edit`: lets the user edit the file of a command line, checks the result and writes it.
package struct CommandLineEdit: Sendable {
  /// Release of the kernel whose override to edit; nil for the line of all other kernels.
  package var kernel: String?
  /// Whether to write the line despite errors.
  package var isForced = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init(kernel: String? = nil) { self.kernel = kernel }

  private static let directory = "/run/pve-sb-uki"
  /// The edited text that could not be written.
  private static let rescuePath = "\(directory)/cmdline.edited"
  private static let sizeLimit = 1 << 16

  /// Lets the user edit a copy until it is valid or `editAgain`, which gets the errors, returns false.
  ///
  /// In that case the result has errors and nothing was written. Nothing is written either if the editor fails or is
  /// killed.
  ///
  /// Throws `Failure` or `HostError` without a terminal or editor, or if the file was changed in the meantime.
  package func run(
    on host: Host, editAgain: (CommandLineSet.Result) throws -> Bool
  ) throws -> CommandLineSet.Result {
    let target = try CommandLineTarget(kernel: kernel)
    guard host.terminal.isThere() else {
      throw Failure(
        "editing requires a terminal",
        hint: "use 'pve-sb-uki cmdline set', or edit \(target.path) and run 'pve-sb-uki apply'")
    }
    let original = try host.files.readFileIfPresent(target.path, limit: Self.sizeLimit)
    let start = original ?? substitute(for: target, host)
    let copy = try WorkingCopy(of: start, in: host.files)
    while true {
      try copy.edit(with: host)
      let content = try copy.content(limit: Self.sizeLimit)
      var result = try check(content, for: target, on: host)
      if result.errors.isEmpty {
        guard content != start else { return result }
        do {
          try write(content, replacing: original, to: target, on: host)
          result.isChange = true
          return result
        } catch {
          try host.files.replaceFile(Self.rescuePath, mode: 0o600, content: content)
          throw Failure(Message(error), hint: "recover the edited text from \(host.files.display(Self.rescuePath))")
        }
      }
      guard try editAgain(result) else { return result }
    }
  }

  /// The initial content if the file does not exist.
  private func substitute(for target: CommandLineTarget, _ host: Host) -> [UInt8] {
    let base = target.kernel == nil ? try? CommandLine.base(of: host.files).text : try? CommandLine(of: host.files).text
    return Array("\(base ?? "")\n".utf8)
  }

  private func check(_ content: [UInt8], for target: CommandLineTarget, on host: Host) throws -> CommandLineSet.Result {
    var result = CommandLineSet.Result(path: target.path)
    result.old = target.present(in: host.files)
    do {
      let text = try CommandLine.part(target.path, content).text
      result.new = text
      result.classify(try target.findings(with: text, on: host), isForced: isForced)
    } catch let error as BootEnvironmentError {
      result.errors = [error.message]
      result.hint = error.hint
    }
    return result
  }

  private func write(
    _ content: [UInt8], replacing original: [UInt8]?, to target: CommandLineTarget, on host: Host
  ) throws {
    let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
    try withExtendedLifetime(lock) {
      guard try host.files.readFileIfPresent(target.path, limit: Self.sizeLimit) == original else {
        throw Failure("\(target.path) was changed by another process in the meantime")
      }
      try host.files.makeDirectory("/etc/kernel")
      try host.files.replaceFile(target.path, content: content)
    }
  }

  /// The working copy, in its own directory, where editors may create other files.
  private struct WorkingCopy {
    let files: FileSystem
    private let directory: PrivateDirectory
    var path: String { "\(directory.path)/cmdline" }

    init(of content: [UInt8], in files: FileSystem) throws {
      self.files = files
      try files.makeDirectory(CommandLineEdit.directory)
      directory = try files.makePrivateDirectory(in: CommandLineEdit.directory)
      try files.replaceFile(path, mode: 0o600, content: content)
    }

    func content(limit: Int) throws -> [UInt8] { try files.readFile(path, limit: limit) }

    /// Runs the editor; throws `Failure` unless it exits with 0.
    func edit(with host: Host) throws {
      let code = try Self.run(on: host, files.display(path))
      guard code == 0 else {
        let end: Message = code > 128 ? "was killed by signal \(code - 128)" : "failed with exit code \(code)"
        throw Failure(
          "the editor \(end); the command line is unchanged", hint: "set VISUAL or EDITOR to another editor")
      }
    }

    /// Runs VISUAL or EDITOR through the shell, as they may contain options; otherwise Debian's alternative or
    /// `sensible-editor`.
    private static func run(on host: Host, _ path: String) throws -> Int32 {
      let named = [host.environment("VISUAL"), host.environment("EDITOR")].compactMap { $0 }
      if let editor = named.first(where: { !$0.isEmpty }) {
        return try host.processes.interact("/bin/sh", arguments: ["-c", "\(editor) \"$@\"", editor, path])
      }
      for program in ["editor", "sensible-editor"] {
        if let code = try? host.processes.interact(program, arguments: [path]) { return code }
      }
      throw Failure("no editor found", hint: "install an editor or set EDITOR")
    }
  }
}
