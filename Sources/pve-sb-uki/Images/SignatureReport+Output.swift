// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostCommands
internal import Messages

extension SignatureReport {
  /// Lines without indentation.
  var lines: [Message] {
    var lines: [Message] = []
    if let subject {
      lines.append("signer:      \(subject)")
    } else if digestAlgorithm != nil {
      lines.append("signer:      unknown, its certificate is not in the image")
    }
    if let issuer { lines.append("issuer:      \(issuer)") }
    if let keyAlgorithm, let digestAlgorithm {
      lines.append("key:         \(keyAlgorithm), digest \(digestAlgorithm)")
    }
    if let notAfter { lines.append("valid until: \(notAfter)") }
    if let fingerprint { lines.append("fingerprint: \(fingerprint)") }
    if let timestamp {
      lines.append("time stamp:  \(timestamp), by \(timestampSigner ?? "?")")
    }
    lines.append("signature:   \(verdict.word)")
    if let reason { lines.append("note:        \(reason)") }
    for (index, inner) in nested.enumerated() {
      lines.append("nested signature \(index + 1), which firmware ignores:")
      lines += inner.lines.map { "  \($0)" }
    }
    return lines
  }

  var json: JSONValue {
    .object([
      "verdict": .string(verdict.rawValue), "reason": JSONValue(reason), "subject": JSONValue(subject),
      "issuer": JSONValue(issuer),
      "fingerprint_sha256": JSONValue(fingerprint), "not_after": JSONValue(notAfter), "key": JSONValue(keyAlgorithm),
      "digest": JSONValue(digestAlgorithm), "trusted_by": JSONValue(trustedBy), "timestamp": JSONValue(timestamp),
      "timestamp_signer": JSONValue(timestampSigner), "nested": .array(nested.map(\.json)),
    ])
  }
}
