// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import TestSupport
import Testing

struct MessageTests {
  private static let german = [
    "cannot {0} {1}: {2}": "{1} kann nicht {0} werden: {2}",
    "read": "gelesen",
    "it ends at byte {0}": "es endet bei Byte {0}",
    "{0} of {{x}}": "{{x}} hat {0}",
    "plain": "schlicht",
  ]

  private func german(_ message: Message) -> String { message.text { Self.german[$0] ?? $0 } }

  @Test func argumentsAreNumberedAndBracesDoubled() {
    let message: Message = "cannot \("read" as Message) \("/a{0}b"): {x} \(7)"
    #expect(message.key == "cannot {0} {1}: {{x}} {2}")
    #expect(message.description == "cannot read /a{0}b: {x} 7")
    #expect(("{0}" as Message).key == "{{0}}")
    #expect(("{0}" as Message).description == "{0}")
  }

  @Test func nestedMessagesAreTranslatedButDataIsNot() {
    let detail: Message = "it ends at byte \(12)"
    #expect(
      german("cannot \("read" as Message) \("plain"): \(detail)")
        == "plain kann nicht gelesen werden: es endet bei Byte 12")
    #expect(german("\(3) of {x}") == "{x} hat 3")
    #expect(german(Message(verbatim: "plain")) == "plain")
    #expect(german("unknown \("plain" as Message)") == "unknown schlicht")
  }

  @Test func errorsAsArgumentsAreTranslated() {
    let error = ParseError("X", at: 3, .range, "plain")
    #expect("\(error)" == "X, byte 3: plain [range]")
    #expect(german("y: \(error)") == "y: X, byte 3: schlicht [range]")
    let unknown: any Error = CancellationError()
    #expect(Message(unknown).description == "\(unknown)")
    let boxed: any Error = error
    #expect(german(Message(boxed)) == "X, byte 3: schlicht [range]")
  }

  /// A translation is input too: a placeholder without an argument is kept.
  @Test func placeholdersWithoutAnArgumentAreKept() {
    #expect(
      Message(key: "{1} {} {x} { } {{ }} {-1} {99999999999999999999} {0", arguments: [.text("a")]).description
        == "{1} {} {x} { } { } {-1} {99999999999999999999} {0")
  }

  @Test func joinedListsAreTranslated() {
    let list: [Message] = ["plain", "a {b}", Message(verbatim: "plain")]
    #expect(list.joined(separator: ", ").description == "plain, a {b}, plain")
    #expect(german(list.joined(separator: ", ")) == "schlicht, a {b}, plain")
    #expect([Message]().joined().description == "")
  }

  @Test func equalityComparesTheEnglishText() {
    #expect("a \(1)" as Message == "a 1")
    #expect(("a \("b" as Message)" as Message).hashValue == ("a b" as Message).hashValue)
    #expect("a" as Message != "b")
  }
}
