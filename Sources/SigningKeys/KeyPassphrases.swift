// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import HostSystem
internal import Messages

/// Opens protected keys: the one place that decides where a passphrase or PIN comes from.
///
/// In this order: the file that the user specified (`--passphrase-file`), `PassphraseFile=` of the settings, the
/// credential of the service, one that opened another key in this run, and a question on the terminal.
struct KeyPassphrases: Sendable {
  private let host: Host
  private let origins: [Origin]

  /// How often a question is asked.
  private static let tries = 3

  /// A file with a passphrase in its first line.
  private struct Origin: Sendable {
    let path: String
    let files: FileSystem
    /// Whether the user named it for this run: a wrong passphrase is then an error, whatever else may be right.
    let isSpecified: Bool

    var shown: String { files.display(path) }
  }

  /// `specified` is a path of the user, `setting` one of the host.
  init(specified: String?, setting: String?, on host: Host) {
    self.host = host
    var origins: [Origin] = []
    if let specified { origins.append(Origin(path: specified, files: host.userFiles, isSpecified: true)) }
    if let setting { origins.append(Origin(path: setting, files: host.files, isSpecified: false)) }
    if let directory = host.environment("CREDENTIALS_DIRECTORY"), directory.hasPrefix("/") {
      let path = "\(directory)/\(KeySource.credential)"
      if (try? host.userFiles.exists(path)) == true {
        origins.append(Origin(path: path, files: host.userFiles, isSpecified: false))
      }
    }
    self.origins = origins
  }

  /// The key that `load` makes of a file, named `name` in messages.
  ///
  /// Throws `KeyLoadFailure` for a missing or wrong passphrase, `Failure` or `HostError` for a file with a passphrase,
  /// and the other errors of `load`.
  func open(file name: String, _ load: (PassphraseSource) throws -> PrivateKey) throws -> PrivateKey {
    func attempt(_ secret: Secret?) throws -> PrivateKey? {
      do {
        let key = try load(secret.map { secret in PassphraseSource { secret.copy() } } ?? .none)
        if let secret { host.passphrases.known.remember(secret, for: name) }
        return key
      } catch let error as CryptoError where error.kind == .passphrase {
        return nil
      }
    }
    if let key = try attempt(host.passphrases.known.secret(of: name)) { return key }
    var wrong: Message?
    for origin in origins {
      if let key = try attempt(try PassphraseFile.read(origin.path, in: origin.files)) { return key }
      wrong = wrong ?? "the passphrase in \(origin.shown) does not open \(name)"
      if let wrong, origin.isSpecified {
        throw KeyLoadFailure(wrong, hint: "write the passphrase of the key to the first line of \(origin.shown)")
      }
    }
    for secret in host.passphrases.known.candidates(for: name) {
      if let key = try attempt(secret) { return key }
    }
    var note = wrong
    for _ in 0..<Self.tries {
      guard let secret = try host.askSecret("Passphrase for \(name): ", after: note) else { break }
      if let key = try attempt(secret) { return key }
      note = "wrong passphrase"
      wrong = "wrong passphrase for \(name)"
    }
    throw KeyLoadFailure(
      wrong ?? "\(name) is protected by a passphrase",
      hint: "run it again on a terminal, which asks for the passphrase")
  }

  /// The key that `load` gets from a token, named `name` in messages.
  ///
  /// Tries one PIN only: a token locks itself after a few wrong ones. `pinFile` is the file that its URI names. Throws as
  /// above.
  func open(
    token name: String, pinFile: (path: String, files: FileSystem)?, _ load: (PassphraseSource) throws -> PrivateKey
  ) throws -> PrivateKey {
    let named = pinFile.map { Origin(path: $0.path, files: $0.files, isSpecified: true) }
    let first = named ?? origins.first
    let answer = Guarded<(secret: Secret?, origin: Origin?, failure: (any Error)?, isRight: Bool)>(
      (nil, nil, nil, false))
    let source = PassphraseSource { [self] in
      answer.withLock { answer in
        if answer.isRight { return answer.secret?.copy() }
        guard answer.secret == nil, answer.failure == nil else { return nil }
        do {
          answer.origin = host.passphrases.known.secret(of: name) == nil ? first : nil
          answer.secret =
            try host.passphrases.known.secret(of: name)
            ?? answer.origin.map { try PassphraseFile.read($0.path, in: $0.files) }
            ?? host.askSecret("PIN for \(name): ")
        } catch {
          answer.failure = error
        }
        return answer.secret?.copy()
      }
    }
    do {
      let key = try load(source)
      let secret = answer.withLock { answer in
        answer.isRight = true
        return answer.secret
      }
      if let secret { host.passphrases.known.remember(secret, for: name) }
      return key
    } catch let error as CryptoError where error.kind == .passphrase {
      let (secret, origin, failure, _) = answer.withLock { $0 }
      if let failure { throw failure }
      guard secret != nil else {
        throw KeyLoadFailure(
          "the key \(name) is protected by a PIN", hint: "run it again on a terminal, which asks for the PIN")
      }
      let wrong: Message = origin.map { "the PIN in \($0.shown) is wrong for \(name)" } ?? "wrong PIN for \(name)"
      throw KeyLoadFailure(
        error.reasons.isEmpty ? "\(wrong), or the token has no such key" : wrong,
        hint: "check the PIN before you try again; a token locks itself after a few wrong ones")
    }
  }
}

/// The reason why a key could not be loaded, with its kind.
struct KeyLoadFailure: HintedError {
  let kind: CryptoError.Kind
  let failure: Failure

  init(kind: CryptoError.Kind, failure: Failure) {
    self.kind = kind
    self.failure = failure
  }

  /// A missing or wrong passphrase.
  init(_ message: Message, hint: Message) {
    self.init(kind: .passphrase, failure: Failure(message, hint: hint))
  }

  var message: Message { failure.message }
  var hint: Message? { failure.hint }
  var namesItsObject: Bool { true }
}
