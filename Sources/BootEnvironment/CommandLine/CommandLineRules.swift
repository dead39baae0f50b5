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

  package init(_ severity: Severity, in path: String? = nil, _ detail: Message) {
    self.severity = severity
    self.path = path
    self.detail = detail
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

  package init(lengthLimit: Int, host: Host) {
    self.lengthLimit = lengthLimit
    self.host = host
  }

  /// The findings about a command line.
  ///
  /// Each names the file of its word, unless that file is `path`.
  ///
  /// A word that cannot be checked, because the host cannot be read, is a finding.
  package func findings(in line: CommandLine, namedLike path: String? = nil) -> [CommandLineFinding] {
    func place(_ part: CommandLine.Part) -> String? { part.path == path ? nil : part.path }
    var findings = line.parts.flatMap { part in bytes(of: part.text).map { $0.at(place(part)) } }
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
        if let finding = word.finding { findings.append(finding.at(place(part))) }
      }
    }
    findings += checked("root=") { try root(line.words) }
    findings += checked("resume=") { try resume(line.words) }
    return findings
  }

  private func checked(_ name: String, _ find: () throws -> [CommandLineFinding]) -> [CommandLineFinding] {
    do {
      return try find()
    } catch {
      return [CommandLineFinding(.warning, "\(name) cannot be checked: \(error)")]
    }
  }

  /// Findings about bytes that a command line cannot contain or that the kernel reads differently.
  private func bytes(of text: String) -> [CommandLineFinding] {
    var findings: [CommandLineFinding] = []
    for (index, byte) in text.utf8.enumerated() {
      guard let name = CommandLine.controlName(byte) else { continue }
      findings.append(CommandLineFinding(.impossible, "\(name) at byte \(index) is not allowed"))
      break
    }
    // A program argument that is not UTF-8 contains this character.
    if text.unicodeScalars.contains("\u{fffd}") {
      findings.append(CommandLineFinding(.impossible, "not UTF-8 text"))
    }
    // The kernel treats single bytes as Latin-1 (lib/ctype.c).
    if let scalar = text.unicodeScalars.first(where: { $0.value >= 0x80 && String($0).utf8.contains(0xa0) }) {
      findings.append(
        CommandLineFinding(
          .impossible, "the kernel treats a byte of '\(String(scalar))' as a space and splits the word there"))
    }
    if text.utf8.count(where: { $0 == UInt8(ascii: "\"") }) % 2 != 0 {
      findings.append(
        CommandLineFinding(.impossible, "a quotation mark is not closed; everything after it is one word"))
    }
    return findings
  }
}

extension CommandLineFinding {
  fileprivate func at(_ path: String?) -> CommandLineFinding { CommandLineFinding(severity, in: path, detail) }
}
