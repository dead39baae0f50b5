// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import CommandSupport
import Cryptography
import HostCommands
import KernelModules
internal import Messages

extension VerifyModules.Result {
  /// A survey of all loaded modules names only those that are not accepted.
  func text(isSurvey: Bool) -> String {
    guard isSurvey else { return reports.map(\.line).localLines + state.localLines }
    let rejected = reports.filter { !$0.isAccepted }
    let count = reports.count - rejected.count
    let summary: Message =
      "\(count) loaded modules are accepted, \(rejected.count) are not, \(builtInCount) are part of the kernel"
    return (rejected.map(\.line) + [summary] + state).localLines
  }

  private var state: [Message] {
    isEnforced == false ? ["note: Secure Boot is not enforced at present, so kernels load every module"] : []
  }
}

extension VerifyModules.Report {
  fileprivate var line: Message {
    guard let verdict else { return "\(path): MISSING, kernel \(kernel ?? "") has no such module" }
    guard case .trusted(let anchor) = verdict else { return "\(path): REJECTED, \(verdict.text)" }
    return anchor.keyring == .specified
      ? "\(path): OK, \(verdict.text)" : "\(path): OK, \(verdict.text), in \(anchor.keyring.name)"
  }

  var json: JSONValue {
    var members: [String: JSONValue] = [
      "path": .string(path), "kernel": JSONValue(kernel), "accepted": .boolean(isAccepted),
      "signature": .string(verdict?.state ?? "missing"), "keyring": .null, "signer": .null,
      "reason": JSONValue(verdict?.text),
    ]
    switch verdict {
    case .trusted(let anchor):
      members["keyring"] = .string(anchor.keyring.rawValue)
      members["signer"] = .string(anchor.certificate.subject)
    case .known(let certificate): members["signer"] = .string(certificate.subject)
    case .unknown(let signer): members["signer"] = .string(signer)
    case .bad, nil: break
    case .some(.none): break
    }
    return .object(members)
  }
}

extension ModuleTrust.Keyring {
  /// As in /proc/keys.
  fileprivate var name: String {
    switch self {
    case .builtIn: ".builtin_trusted_keys"
    case .machine: ".machine"
    case .platform: ".platform"
    case .specified: rawValue
    }
  }
}

extension InspectModule.Report {
  var text: String {
    var lines: [Message] = ["\(path): kernel module, \(fileSize) bytes"]
    if size != fileSize { lines.append("  unpacked:    \(size) bytes") }
    let columns = ["name", "version", "license", "vermagic", "srcversion", "depends"]
    for key in columns {
      guard let value = information[key], !value.isEmpty else { continue }
      lines.append("  \("\(key):".padded(to: 12)) \(value)")
    }
    if let signer, let digest {
      lines.append("  signer:      \(signer)")
      lines.append("  digest:      \(digest)")
    } else {
      lines.append(problem.map { "  signature:   unreadable: \($0)" } ?? "  not signed")
    }
    return lines.localLines
  }

  var json: JSONValue {
    .object([
      "path": .string(path), "size": .integer(fileSize), "unpacked_size": .integer(size),
      "module": .array(
        information.fields.map { .object(["key": .string($0.key), "value": .string($0.value)]) }),
      "kernel": JSONValue(information.kernel), "signer": JSONValue(signer), "digest": JSONValue(digest),
      "problem": JSONValue(problem),
    ])
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
