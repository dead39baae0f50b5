// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The text of a command line, with the same rules wherever it comes from: an argument, an editor, or a file.
package enum CommandLineText {
  /// Why a text cannot be a command line.
  struct Problem {
    /// A fragment without the object.
    var detail: Message
    /// Offset of the byte with the problem; nil for the text as a whole.
    var offset: Int?
  }

  /// The first byte that a line cannot contain or that the kernel reads differently, or another reason; nil if the text
  /// can be a line.
  ///
  /// A tab is white space to the kernel too.
  static func problem(in text: String) -> Problem? {
    for (index, byte) in text.utf8.enumerated() {
      guard let name = controlName(byte) else { continue }
      return Problem(detail: "\(name) at byte \(index) is not allowed", offset: index)
    }
    // A program argument that is not UTF-8 contains this character.
    if text.unicodeScalars.contains("\u{fffd}") { return Problem(detail: "not UTF-8 text") }
    if text.unicodeScalars.contains("\u{feff}") {
      return Problem(detail: "a byte order mark (U+FEFF) would become part of a word")
    }
    // The kernel treats single bytes as Latin-1 (lib/ctype.c).
    if let scalar = text.unicodeScalars.first(where: { $0.value >= 0x80 && String($0).utf8.contains(0xa0) }) {
      return Problem(detail: "the kernel treats a byte of '\(String(scalar))' as a space and splits the word there")
    }
    if text.utf8.count(where: { $0 == UInt8(ascii: "\"") }) % 2 != 0 {
      return Problem(detail: "a quotation mark is not closed; everything after it is one word")
    }
    return text.utf8.first == UInt8(ascii: "#")
      ? Problem(detail: "the line starts with '#', which makes it a comment") : nil
  }

  /// The name of a byte that a command line cannot contain; nil for other bytes.
  static func controlName(_ byte: UInt8) -> Message? {
    switch byte {
    case 0: "a NUL byte"
    case 0x0a: "a line break"
    case 0x09: nil
    case 0x0d: "the control character 13 (a line end of Windows)"
    case 0..<0x20, 0x7f: "the control character \(byte)"
    default: nil
    }
  }

  /// The line in an argument, without white space at its ends.
  ///
  /// Throws `BootEnvironmentError` about the line if it cannot be one.
  package static func line(_ argument: String) throws -> String {
    let line = CommandLine.trimmed(argument)
    if let problem = problem(in: line) {
      throw BootEnvironmentError(of: "the command line", problem.detail, hint: "write it as one line of plain text")
    }
    return line
  }

  /// The line in several arguments: the first one may be a line, each further one is a word.
  ///
  /// `quoted` are the words that got quotation marks because of their white space, as written in the line. Throws
  /// `BootEnvironmentError` for a word that also contains a quotation mark, which cannot be escaped.
  package static func line(of arguments: [String]) throws -> (text: String, quoted: [CommandLineWord]) {
    var texts = [CommandLine.trimmed(arguments.first ?? "")]
    var quoted: [CommandLineWord] = []
    for argument in arguments.dropFirst().map({ CommandLine.trimmed($0) }) {
      guard CommandLineWord.split(argument).count > 1 else {
        texts.append(argument)
        continue
      }
      guard let word = CommandLineWord(quoting: argument) else {
        throw BootEnvironmentError(
          of: "'\(argument)'", "it contains white space and a quotation mark",
          hint: "specify each word as an argument of its own, or the whole line as one")
      }
      texts.append(word.text)
      quoted.append(word)
    }
    return (texts.filter { !$0.isEmpty }.joined(separator: " "), quoted)
  }
}
