// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import KernelModules
internal import Messages

extension BuiltModule {
  /// Nil where the certificate is not at hand.
  var signer: Certificate? {
    switch signature {
    case .trusted(let certificate), .known(let certificate): certificate
    case .unknown, .none, .bad: nil
    }
  }

  var isTrusted: Bool { if case .trusted = signature { true } else { false } }

  /// In a word, for machines.
  var state: String {
    switch signature {
    case .trusted: "trusted"
    case .known: "not-enrolled"
    case .unknown: "unknown"
    case .none: "unsigned"
    case .bad: "bad"
    }
  }

  /// As the rest of a sentence.
  var remark: Message {
    switch signature {
    case .trusted(let certificate): "signed by \(certificate.subject)"
    case .known(let certificate): "signed by \(certificate.subject), which is not enrolled here"
    case .unknown(let signer): "signed by an unknown certificate of \(signer)"
    case .none: "not signed"
    case .bad(let reason): "not to be verified: \(reason)"
    }
  }
}
