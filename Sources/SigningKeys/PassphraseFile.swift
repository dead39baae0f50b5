// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// A file whose first line is a passphrase.
package enum PassphraseFile {
  /// The largest file in bytes.
  private static let sizeLimit = 4096

  /// Reads the first line of `path`.
  ///
  /// Throws `Failure` if the line is empty or too long, `HostError` if the file cannot be read.
  package static func read(_ path: String, in files: FileSystem) throws -> Secret {
    var content = try files.readFile(path, limit: sizeLimit)
    defer { Secret.wipe(&content) }
    var line = Array(content.prefix { $0 != 0x0a && $0 != 0x0d })
    guard (1...Secret.sizeLimit).contains(line.count) else {
      defer { Secret.wipe(&line) }
      throw Failure(
        line.isEmpty
          ? "the first line of \(files.display(path)) is empty"
          : "the first line of \(files.display(path)) is too long",
        hint: "write the passphrase to its first line, at most \(Secret.sizeLimit) bytes")
    }
    return Secret(wiping: &line)
  }
}

/// A passphrase for something new: a key, or a backup.
package enum NewPassphrase {
  /// The least number of characters.
  private static let minimum = 8

  /// The first line of the file in `host.passphrases`, else the answer to a question that is asked twice.
  ///
  /// `question` is such as "New passphrase for the keys: ". Throws `Failure` if it is too short, if the two answers
  /// differ, or without a file and a terminal; `HostError` if the file cannot be read.
  package static func choose(_ question: Message, on host: Host) throws -> Secret {
    if let path = host.passphrases.file {
      let secret = try PassphraseFile.read(path, in: host.userFiles)
      guard let problem = problem(with: secret) else { return secret }
      throw Failure("\(path): \(problem)", hint: "write a longer passphrase to its first line")
    }
    guard let secret = try host.askSecret(question) else {
      throw Failure("no terminal to ask for a passphrase", hint: "specify a file with --passphrase-file")
    }
    if let problem = problem(with: secret) { throw Failure(problem, hint: "run it again with a longer passphrase") }
    guard try host.askSecret("The same passphrase again: ") == secret else {
      throw Failure("the two passphrases differ; nothing was changed", hint: "run it again")
    }
    return secret
  }

  private static func problem(with secret: Secret) -> Message? {
    var bytes = secret.copy()
    defer { Secret.wipe(&bytes) }
    // Characters, not the bytes that continue one in UTF-8.
    let count = bytes.count { $0 & 0xc0 != 0x80 }
    return count < minimum ? "the passphrase has \(count) characters; the minimum is \(minimum)" : nil
  }
}
