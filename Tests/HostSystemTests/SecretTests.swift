// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct SecretTests {
  private func secret(_ text: String) -> Secret {
    var bytes = Array(text.utf8)
    return Secret(wiping: &bytes)
  }

  @Test func theCallersCopyIsGone() {
    var bytes = Array("secret".utf8)
    let secret = Secret(wiping: &bytes)
    #expect(bytes.isEmpty && secret.copy() == Array("secret".utf8))
  }

  @Test func secretsAreComparedByContent() {
    #expect(secret("a") == secret("a") && secret("") == secret(""))
    #expect(secret("a") != secret("b") && secret("a") != secret("ab") && secret("") != secret("a"))
  }

  @Test func theSecretOfTheKeyComesFirst() {
    let known = KnownSecrets()
    #expect(known.candidates(for: "PK").isEmpty)
    known.remember(secret("one"), for: "db")
    known.remember(secret("two"), for: "PK")
    known.remember(secret("two"), for: "KEK")
    known.remember(secret("two"), for: "KEK")
    #expect(known.candidates(for: "PK") == [secret("two"), secret("one")])
    #expect(known.candidates(for: "other") == [secret("one"), secret("two")])
    #expect(known.secret(of: "db") == secret("one") && known.secret(of: "other") == nil)
  }

  @Test func aProgramThatMayNotAskDoesNot() throws {
    var host = try Host()
    host.terminal = Terminal(isThere: { true }, readLine: { nil }, readSecret: { _ in self.secret("x") })
    #expect(try host.askSecret("? ") == nil)
    host.passphrases.mayAsk = true
    #expect(try host.askSecret("? ")?.count == 1)
  }
}
