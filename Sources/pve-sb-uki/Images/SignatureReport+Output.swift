// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostCommands
internal import Messages

extension SignatureReport {
  /// Lines without indentation.
  var lines: [Message] {
    var lines: [Message] = [
      subject.map { "signer:      \($0)" } ?? "signer:      unknown, its certificate is not in the image"
    ]
    if let issuer { lines.append("issuer:      \(issuer)") }
    if let keyAlgorithm { lines.append("key:         \(keyAlgorithm), digest \(digestAlgorithm)") }
    if let notAfter { lines.append("valid until: \(notAfter)") }
    if let fingerprint { lines.append("fingerprint: \(fingerprint)") }
    lines.append("signature:   \(verdict.word)")
    return lines
  }

  var json: JSONValue {
    .object([
      "verdict": .string(verdict.rawValue), "subject": JSONValue(subject), "issuer": JSONValue(issuer),
      "fingerprint_sha256": JSONValue(fingerprint), "not_after": JSONValue(notAfter), "key": JSONValue(keyAlgorithm),
      "digest": .string(digestAlgorithm), "trusted_by": JSONValue(trustedBy),
    ])
  }
}
