// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Cryptography

/// A kernel's configuration, `/boot/config-K`, as far as it concerns the signatures of modules.
package struct KernelConfiguration: Sendable {
  /// `CONFIG_MODULE_SIG_HASH`: the digest for signatures; nil if it is unset or unknown.
  package private(set) var digest: DigestAlgorithm?
  /// The options that are set to `y`, without `CONFIG_`.
  private var enabled: Set<String> = []

  /// Reads lines such as `CONFIG_MODULE_SIG=y`; other lines are ignored.
  package init(parsing content: [UInt8]) {
    let hash = Array("CONFIG_MODULE_SIG_HASH=\"".utf8)
    let prefix = Array("CONFIG_".utf8)
    let value = Array("=y".utf8)
    for line in ByteLines(content) where line.starts(with: prefix) {
      if line.starts(with: hash) {
        guard digest == nil else { continue }
        let name = String(decoding: line.dropFirst(hash.count).prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
        digest = DigestAlgorithm.forSignatures.first { $0.rawValue == name }
      } else if line.suffix(2).elementsEqual(value) {
        enabled.insert(String(decoding: line.dropFirst(prefix.count).dropLast(2), as: UTF8.self))
      }
    }
  }

  /// Whether the option, named without `CONFIG_`, is set to `y`.
  package func isEnabled(_ option: String) -> Bool { enabled.contains(option) }
}
