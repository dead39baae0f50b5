// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// A finding about a command line.
package struct CommandLineFinding: Hashable, Sendable {
  package enum Severity: Hashable, Sendable {
    /// It may be intended.
    case warning
    /// The machine would not boot, or would boot something else; rejected unless forced.
    case error
    /// The kernel cannot accept the line.
    case impossible
  }

  package let severity: Severity
  /// The file with the problem; nil for the line as a whole.
  package let path: String?
  /// A sentence without the path.
  package let detail: Message
  /// What to do about an error that makes `apply` fail; nil if the error may be intended.
  package let hint: Message?

  package init(_ severity: Severity, in path: String? = nil, _ detail: Message, hint: Message? = nil) {
    self.severity = severity
    self.path = path
    self.detail = detail
    self.hint = hint
  }
}

extension CommandLineFinding: MessageConvertible {
  package var message: Message { path.map { "\($0): \(detail)" } ?? detail }
}

/// Checks whether the kernel accepts a command line and this machine boots with it.
package struct CommandLineRules {
  /// The maximum number of bytes, without a final NUL.
  let lengthLimit: Int
  let host: Host
  /// Whether an initrd made by dracut reads the line; nil if that depends on the programs on this host.
  let isReadByDracut: Bool?

  package init(lengthLimit: Int, host: Host, isReadByDracut: Bool? = nil) {
    self.lengthLimit = lengthLimit
    self.host = host
    self.isReadByDracut = isReadByDracut
  }

  /// The findings about a command line.
  ///
  /// Each names the file of its word, unless that file is `path`.
  ///
  /// A word that cannot be checked, because the host cannot be read, is a finding.
  package func findings(in line: CommandLine, namedLike path: String? = nil) -> [CommandLineFinding] {
    func place(_ part: CommandLine.Part) -> String? { part.path == path ? nil : part.path }
    var findings = line.parts.compactMap { part in
      CommandLineText.problem(in: part.text).map { CommandLineFinding(.impossible, in: place(part), $0.detail) }
    }
    if line.parts.isEmpty { findings.append(CommandLineFinding(.impossible, "the command line is empty")) }
    let count = line.text.utf8.count
    if count > lengthLimit {
      findings.append(
        CommandLineFinding(
          .impossible, "the command line has \(count) bytes; the kernel accepts at most \(lengthLimit)"))
    }
    // Do not check the words of an impossible line.
    guard findings.isEmpty else { return findings }
    for part in line.parts {
      for word in CommandLineWord.split(part.text) {
        let found = [word.finding].compactMap { $0 } + checked(word.name) { try quotationMarks(word) }
        findings += found.map { $0.at(place(part)) }
      }
    }
    findings += rootFindings(in: line.words)
    findings += checked("resume=") { try resume(line.words) }
    return findings
  }

  /// The findings about the root file system that the words name.
  package func rootFindings(in words: [CommandLineWord]) -> [CommandLineFinding] {
    checked("root=") { try root(words) + requiredDevices(words) }
  }

  private func checked(_ name: String, _ find: () throws -> [CommandLineFinding]) -> [CommandLineFinding] {
    do {
      return try find()
    } catch {
      return [CommandLineFinding(.warning, "\(name) cannot be checked: \(error)")]
    }
  }
}

extension CommandLineFinding {
  fileprivate func at(_ path: String?) -> CommandLineFinding {
    CommandLineFinding(severity, in: path, detail, hint: hint)
  }
}
