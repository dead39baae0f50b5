// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// Something about a command line that whoever wrote it should know.
package struct CommandLineFinding: Hashable, Sendable {
  package enum Severity: Hashable, Sendable {
    /// It may be meant so.
    case warning
    /// The machine would not boot as it should, or not what was meant; refused unless somebody insists.
    case error
    /// The kernel could not take the line.
    case impossible
  }

  package let severity: Severity
  /// The file that holds it; nil where the line as a whole is meant.
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

/// What a command line has to keep to, so that the kernel can take it and this machine boots with it.
package struct CommandLineRules {
  /// The most bytes the kernel takes, without a final NUL.
  let lengthLimit: Int
  let host: Host

  package init(lengthLimit: Int, host: Host) {
    self.lengthLimit = lengthLimit
    self.host = host
  }

  /// What is to be said about a line, the file of each word named where it is not `path`.
  ///
  /// Throws `HostError` if the machine cannot be looked at.
  package func findings(in line: CommandLine, namedLike path: String? = nil) throws -> [CommandLineFinding] {
    func place(_ part: CommandLine.Part) -> String? { part.path == path ? nil : part.path }
    var findings = line.parts.flatMap { part in bytes(of: part.text).map { $0.at(place(part)) } }
    if line.parts.isEmpty { findings.append(CommandLineFinding(.impossible, "the line is empty")) }
    let count = line.text.utf8.count
    if count > lengthLimit {
      findings.append(
        CommandLineFinding(.impossible, "the line has \(count) bytes, and the kernel takes \(lengthLimit)"))
    }
    // Words of a line that cannot be are not worth a word.
    guard findings.isEmpty else { return findings }
    for part in line.parts {
      for word in CommandLineWord.split(part.text) {
        if let finding = word.finding { findings.append(finding.at(place(part))) }
      }
    }
    findings += try root(line.words)
    findings += try resume(line.words)
    return findings
  }

  /// What cannot be in a line, or would not be what it seems.
  private func bytes(of text: String) -> [CommandLineFinding] {
    var findings: [CommandLineFinding] = []
    for (index, byte) in text.utf8.enumerated() {
      guard let name = CommandLine.controlName(byte) else { continue }
      findings.append(CommandLineFinding(.impossible, "it holds \(name) at byte \(index)"))
      break
    }
    // What an argument of a program holds that is not UTF-8.
    if text.unicodeScalars.contains("\u{fffd}") {
      findings.append(CommandLineFinding(.impossible, "it is not UTF-8 text"))
    }
    // lib/ctype.c of the kernel takes single bytes for Latin-1.
    if let scalar = text.unicodeScalars.first(where: { $0.value >= 0x80 && String($0).utf8.contains(0xa0) }) {
      findings.append(
        CommandLineFinding(
          .impossible, "the kernel takes a byte of '\(String(scalar))' for a blank and splits it there"))
    }
    if text.utf8.count(where: { $0 == UInt8(ascii: "\"") }) % 2 != 0 {
      findings.append(
        CommandLineFinding(.impossible, "a quotation mark is not closed, so that all that follows is one word"))
    }
    return findings
  }
}

extension CommandLineFinding {
  fileprivate func at(_ path: String?) -> CommandLineFinding { CommandLineFinding(severity, in: path, detail) }
}
