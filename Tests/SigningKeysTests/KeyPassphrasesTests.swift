// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Messages
import SigningKeys
import TestSupport
import Testing

/// Where the passphrase of a key comes from; the keys are made by openssl.
@Suite struct KeyPassphrasesTests {
  private let root: TemporaryDirectory
  /// Questions that were asked.
  private let asked = Guarded([String]())

  private static let keys = Result {
    let directory = try TemporaryDirectory()
    try OpenSSL.makeKeys(in: directory)
    try ExternalTool("openssl").run([
      "pkcs8", "-topk8", "-in", directory.path(of: "rsa.key"), "-out", directory.path(of: "other.key"),
      "-passout", "pass:another",
    ])
    return directory
  }

  init() throws {
    root = try TemporaryDirectory()
    let keys = try Self.keys.get()
    for (name, path) in [
      ("locked.key", "db.key"), ("rsa.crt", "db.crt"), ("rsa.key", "open.key"), ("other.key", "KEK.key"),
    ] {
      try root.write("/etc/pve-sb-uki/keys/\(path)", try keys.read(name) ?? [], mode: 0o600)
    }
    try root.write("right", "secret\n")
    try root.write("wrong", "Secret\n")
  }

  /// A host whose user gives these answers; nil if the program may not ask.
  private func host(answers: [String]? = nil, credential: String? = nil) throws -> Host {
    var host = try root.host()
    host.passphrases.mayAsk = answers != nil
    let rest = Guarded(answers ?? [])
    let asked = asked
    host.terminal = Terminal(
      isThere: { true }, readLine: { nil },
      readSecret: { question in
        asked.withLock { $0.append(question) }
        return rest.withLock { answers in
          guard !answers.isEmpty else { return nil }
          var bytes = Array(answers.removeFirst().utf8)
          return Secret(wiping: &bytes)
        }
      })
    if let credential {
      try root.write("credentials/pve-sb-uki.passphrase", credential)
      let directory = root.path(of: "credentials")
      host.environment = { $0 == "CREDENTIALS_DIRECTORY" ? directory : nil }
    }
    return host
  }

  private var questions: [String] { asked.withLock { $0 } }
  private var name: String { root.path(of: "/etc/pve-sb-uki/keys/db.key") }

  private func source(_ setting: String? = nil) -> KeySource {
    var source = KeySource.hostDefault
    source.passphraseFile = setting
    return source
  }

  @Test func anOpenKeyNeedsNoPassphrase() throws {
    let key = "/etc/pve-sb-uki/keys/open.key"
    let source = KeySource(key: key, certificate: "/etc/pve-sb-uki/keys/db.crt", isHostPath: true)
    #expect(throws: Never.self) { try source.load(from: try host(answers: ["no"])) }
    #expect(questions.isEmpty)
  }

  @Test func theSettingNamesAFileOfTheHost() throws {
    #expect(throws: Never.self) { try source("/right").load(from: try host(answers: ["no"])) }
    #expect(questions.isEmpty)
  }

  @Test func theCredentialIsUsed() throws {
    #expect(throws: Never.self) { try source().load(from: try host(credential: "secret")) }
    let error = thrown(Failure.self) { try source().load(from: try host(credential: "wrong")) }
    #expect(error?.message.contains("credentials/pve-sb-uki.passphrase does not open") == true)
  }

  @Test func theOptionComesFirst() throws {
    var host = try host(answers: ["secret"], credential: "secret")
    host.passphrases.file = root.path(of: "wrong")
    let error = thrown(Failure.self) { try source("/right").load(from: host) }
    #expect(error?.message.description == "the passphrase in \(root.path(of: "wrong")) does not open \(name)")
    #expect(questions.isEmpty)
    host.passphrases.file = root.path(of: "right")
    #expect(throws: Never.self) { try source("/wrong").load(from: host) }
  }

  @Test func withoutATerminalAProtectedKeyIsAnErrorThatNamesIt() throws {
    let error = thrown(Failure.self) { try source().load(from: try host()) }
    #expect(error?.message.description == "\(name) is protected by a passphrase")
    let wrong = thrown(Failure.self) { try source("/wrong").load(from: try host()) }
    #expect(wrong?.message.description == "the passphrase in \(root.path(of: "wrong")) does not open \(name)")
    #expect(questions.isEmpty)
  }

  @Test func theUserIsAskedThreeTimes() throws {
    #expect(throws: Never.self) { try source().load(from: try host(answers: ["no", "", "secret"])) }
    let question = "Passphrase for \(name): "
    #expect(questions == [question] + Array(repeating: "wrong passphrase\n" + question, count: 2))
    let error = thrown(Failure.self) { try source().load(from: try host(answers: ["a", "b", "c", "secret"])) }
    #expect(error?.message.description == "wrong passphrase for \(name)")
    #expect(questions.count == 6)
  }

  @Test func theQuestionSaysThatTheFileIsWrong() throws {
    #expect(throws: Never.self) { try source("/wrong").load(from: try host(answers: ["secret"])) }
    #expect(
      questions == ["the passphrase in \(root.path(of: "wrong")) does not open \(name)\nPassphrase for \(name): "])
  }

  @Test func aPassphraseIsAskedOnceForAllKeys() throws {
    let host = try host(answers: ["secret"])
    for _ in 0..<2 { #expect(throws: Never.self) { try source().load(from: host) } }
    try root.write("/etc/pve-sb-uki/keys/PK.key", try root.read("/etc/pve-sb-uki/keys/db.key") ?? [], mode: 0o600)
    #expect(throws: Never.self) { try KeyStore(of: host).privateKey(of: .platformKey) }
    #expect(questions.count == 1)
  }

  @Test func keysMayHaveDifferentPassphrases() throws {
    let host = try host(answers: ["another"])
    let store = KeyStore(of: host, passphraseFile: "/right")
    #expect(throws: Never.self) { try store.privateKey(of: .signatureDatabase) }
    #expect(questions.isEmpty)
    #expect(throws: Never.self) { try store.privateKey(of: .keyExchangeKey) }
    #expect(questions.count == 1)
    let silent = thrown(Failure.self) {
      try KeyStore(of: try self.host(), passphraseFile: "/right").privateKey(of: .keyExchangeKey)
    }
    #expect(silent?.message.contains("right does not open") == true)
  }

  @Test func aMissingOrEmptyFileIsReported() throws {
    try root.write("empty", "\nsecret\n")
    try root.write("long", String(repeating: "x", count: 1025))
    for (path, text) in [("/gone", "No such file"), ("/empty", "is empty"), ("/long", "is too long")] {
      let error = thrown(Failure.self) { try source(path).load(from: try host(answers: ["secret"])) }
      #expect(error?.message.contains(text) == true, "\(path)")
    }
    #expect(questions.isEmpty)
  }

  // MARK: New passphrases

  private func choose(_ answers: [String]?) throws -> Secret {
    try NewPassphrase.choose("New passphrase: ", on: try host(answers: answers))
  }

  @Test func aNewPassphraseIsAskedTwice() throws {
    #expect(try choose(["correct horse", "correct horse"]).copy() == Array("correct horse".utf8))
    #expect(questions == ["New passphrase: ", "The same passphrase again: "])
    #expect(
      thrown(Failure.self) { try choose(["correct horse", "Correct horse"]) }?.message.contains("differ") == true)
    #expect(thrown(Failure.self) { try choose(["correct horse"]) }?.message.contains("differ") == true)
  }

  @Test func aNewPassphraseHasEightCharacters() throws {
    #expect(thrown(Failure.self) { try choose(["1234567", "1234567"]) }?.message.contains("7 characters") == true)
    // Each has two bytes.
    #expect(thrown(Failure.self) { try choose(["äöüäöüß", ""]) }?.message.contains("7 characters") == true)
    #expect(try choose(["äöüäöüßx", "äöüäöüßx"]).count == 15)
  }

  @Test func aNewPassphraseComesFromAFile() throws {
    var host = try host()
    #expect(
      thrown(Failure.self) { try NewPassphrase.choose("", on: host) }?.hint?.contains("--passphrase-file") == true)
    try root.write("new", "correct horse\n")
    host.passphrases.file = root.path(of: "new")
    #expect(try NewPassphrase.choose("", on: host).count == 13)
    host.passphrases.file = root.path(of: "right")
    #expect(thrown(Failure.self) { try NewPassphrase.choose("", on: host) }?.message.contains("6 characters") == true)
  }
}
