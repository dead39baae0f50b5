// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Messages
import RepositoryTrust
import TestSupport
import Testing

@Suite struct OpenPGPArmorTests {
  private static let begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
  private static let end = "-----END PGP PUBLIC KEY BLOCK-----\n"

  private static func binary(_ text: String) throws -> [UInt8] { try OpenPGPArmor.binary(Array(text.utf8), of: "keys") }

  @Test func binaryKeyringsAreUnchanged() throws {
    for keyring in [[], [0x99, 0x01, 0x0a, 0x0d, 0x2d], Array("no armour\n".utf8)] {
      #expect(try OpenPGPArmor.binary(keyring, of: "keys") == keyring)
    }
  }

  @Test func allBlocksAreRead() throws {
    let block = "\(Self.begin)Version: 1\nComment: a\n\nZm9v\nYmFy\n=abcd\n\(Self.end)"
    #expect(try Self.binary(block) == Array("foobar".utf8))
    #expect(try Self.binary("text\n\(block)more\n\(Self.begin)\nYmF6\n\(Self.end)") == Array("foobarbaz".utf8))
    // Windows line ends, padding, no checksum, empty block.
    let windows = "\(Self.begin)\nZm8=\n\(Self.end)".split(separator: "\n", omittingEmptySubsequences: false)
    #expect(try Self.binary(windows.joined(separator: "\r\n")) == Array("fo".utf8))
    #expect(try Self.binary("\(Self.begin)\n\(Self.end)") == [])
  }

  /// A list of all lines took 48 bytes for each.
  @Test func endlessBlankLinesNeedNoMemory() throws {
    let blank = String(repeating: "\n", count: 1 << 20)
    #expect(try Self.binary("\(blank)\(Self.begin)\n\(blank)Zm9v\n\(blank)\(Self.end)\(blank)") == Array("foo".utf8))
  }

  @Test(arguments: [
    // No end line, or trailing characters on it.
    "\(begin)\nZm9v\n", "\(begin)\nZm9v\n\(end.dropLast()) \n",
    // No blank line before the data.
    "\(begin)Zm9v\n\(end)",
    // Other characters, blanks and NULs.
    "\(begin)\nZm9*\n\(end)", "\(begin)\n Zm9v\n\(end)", "\(begin)\nZm9v \n\(end)", "\(begin)\nZm9v\n\0\0\0\0\n\(end)",
    // Padding missing, on its own line, or in the middle.
    "\(begin)\nZm8\n\(end)", "\(begin)\nZg\n==\n\(end)", "\(begin)\nZg==\nZg==\n\(end)",
    // A damaged second block.
    "\(begin)\nZm9v\n\(end)\(begin)\nZm9\n\(end)",
  ])
  func damagedArmourIsRejected(_ text: String) {
    let error = thrown(TrustError.self) { try Self.binary(text) }
    #expect(error?.rule == .signature && error?.message.contains("damaged") == true)
  }
}
