// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Glibc
package import Messages

/// A passphrase or PIN; its memory is wiped when it is released.
package final class Secret: Sendable {
  /// Written only by `init` and `deinit`.
  nonisolated(unsafe) private let memory: UnsafeMutableRawBufferPointer

  /// The longest secret that libcrypto accepts for a key, in bytes (PEM_BUFSIZE).
  package static let sizeLimit = 1024

  /// Takes over `bytes` and wipes the caller's copy.
  package init(wiping bytes: inout [UInt8]) {
    memory = .allocate(byteCount: max(1, bytes.count), alignment: 1)
    count = bytes.count
    memory.copyBytes(from: bytes)
    Self.wipe(&bytes)
  }

  deinit {
    Self.wipe(memory)
    memory.deallocate()
  }

  /// Bytes.
  package let count: Int

  /// A copy, which the caller wipes.
  package func copy() -> [UInt8] { Array(memory.prefix(count)) }

  /// Overwrites the bytes of an array that has no other owner.
  package static func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { wipe($0) }
    bytes = []
  }

  static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    if let start = bytes.baseAddress { explicit_bzero(start, bytes.count) }
  }
}

extension Secret: Equatable {
  package static func == (one: Secret, other: Secret) -> Bool {
    one.memory.prefix(one.count).elementsEqual(other.memory.prefix(other.count))
  }
}

/// How a run gets passphrases, apart from the settings.
package struct PassphraseInput: Sendable {
  /// `--passphrase-file`, a path of the user: its first line opens the keys of the host.
  package var file: String?
  /// Whether a question may be asked.
  ///
  /// Only commands that sign set it, if standard input and standard error are a terminal. Hooks and services never do.
  package var mayAsk = false
  /// The secrets that opened a key in this run.
  package let known = KnownSecrets()

  package init() {}
}

/// The secrets that opened something in this run, so that the user is asked once.
package final class KnownSecrets: Sendable {
  private let secrets = Guarded([(name: String, secret: Secret)]())

  package init() {}

  /// `name` is the key that it opened.
  package func remember(_ secret: Secret, for name: String) {
    secrets.withLock { secrets in
      if !secrets.contains(where: { $0.name == name && $0.secret == secret }) { secrets.append((name, secret)) }
    }
  }

  /// Those that opened `name` first, then all others, each once.
  package func candidates(for name: String) -> [Secret] {
    let all = secrets.withLock { $0 }
    let ordered = all.filter { $0.name == name } + all.filter { $0.name != name }
    var distinct: [Secret] = []
    for (_, secret) in ordered where !distinct.contains(secret) { distinct.append(secret) }
    return distinct
  }

  /// The secret that opened `name`; nil if none did.
  package func secret(of name: String) -> Secret? { secrets.withLock { $0.last { $0.name == name }?.secret } }
}

extension Host {
  /// Asks for a secret at the terminal without showing it; nil if the program may not ask, without a terminal, or if the
  /// user gives no answer.
  ///
  /// `note` is a line before the question.
  package func askSecret(_ question: Message, after note: Message? = nil) throws -> Secret? {
    guard passphrases.mayAsk else { return nil }
    return try terminal.askSecret(question, after: note)
  }
}
