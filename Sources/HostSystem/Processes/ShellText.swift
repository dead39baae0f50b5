// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension String {
  /// The text as one word of a shell's command, in quotation marks if it needs them (POSIX.1-2017, Shell Command Language,
  /// 2.2.2): for commands that people paste.
  package var shellWord: String {
    func isPlain(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x80...: true
      default: "_-./:=@%+,".utf8.contains(byte)
      }
    }
    if !isEmpty, utf8.allSatisfy(isPlain) { return self }
    let parts = split(separator: "'", omittingEmptySubsequences: false)
    return "'" + parts.joined(separator: "'\\''") + "'"
  }
}
