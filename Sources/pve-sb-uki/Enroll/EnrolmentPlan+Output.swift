// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import EFIData
import HostSystem
import KeyEnrolment
internal import Messages

extension EnrolmentPlan {
  /// The plan for people, one line for each fact.
  var lines: [Message] {
    guard isChange else {
      return refusals.isEmpty ? ["The firmware already has PK, KEK and db of this host; nothing to write."] : []
    }
    var lines: [Message] = ["To be written, in this order:"]
    for step in steps {
      lines.append(
        isAppend
          ? "  \(step.variable.name), \(step.payload.count) bytes more; it then contains"
          : "  \(step.variable.name), \(step.payload.count) bytes; it then contains")
      lines += step.entries.map { "    \($0.line)" }
    }
    let unchanged = lists.filter { !$0.isWritten && !$0.entries.isEmpty }.map(\.variable.name)
    if !unchanged.isEmpty { lines.append("Unchanged: \(unchanged.joined(separator: ", "))") }
    if let room { lines.append("Room for variables: \(room.available) bytes free, \(neededRoom) needed") }
    if !paths.isEmpty {
      lines.append("Boot paths, with Secure Boot on:")
      lines += paths.map { path in
        path.starts ? "  \(path.path): starts" : "  \(path.path): rejected, \(path.reason ?? "")"
      }
    }
    let bound = disks.filter { !$0.tokens.isEmpty }
    if !bound.isEmpty {
      lines.append("Disks that the TPM unlocks:")
      lines += bound.map { disk in
        disk.effect == .stops
          ? "  \(disk.device): \(disk.bindings); stops" : "  \(disk.device): \(disk.bindings); continues"
      }
    }
    if !refusals.isEmpty { lines.append("Nothing was written.") }
    return lines
  }

  /// What to know and to do after it was carried out.
  var nextLines: [Message] {
    if isAppend { return ["The firmware accepts the certificate from the next boot on.", "Next: pve-sb-uki apply"] }
    return [
      "The firmware enforces these keys from the next boot on. If Secure Boot is off then, turn it on in its menu.",
      "Next: systemctl reboot",
    ]
  }

  func json(isDryRun: Bool, isDone: Bool, events: [EnrolmentExecutor.Event]) -> JSONValue {
    .object([
      "dry_run": .boolean(isDryRun), "changed": .boolean(isDone), "append": .boolean(isAppend),
      "steps": .array(steps.map(\.json)),
      "boot_paths": .array(
        paths.map { path in
          .object([
            "path": JSONValue(path.path), "starts": .boolean(path.starts), "reason": JSONValue(path.reason),
          ])
        }),
      "disks": .array(disks.map(\.json)),
      "room": room.map {
        .object([
          "available_bytes": .integer($0.available), "total_bytes": .integer($0.total),
          "needed_bytes": .integer(neededRoom),
        ])
      } ?? .null,
      "undo": JSONValue(events.lazy.compactMap(\.undo).first),
      "notes": JSONValue(notes),
      "refusals": .array(
        refusals.map { refusal in
          .object([
            "kind": .string(refusal.kind.rawValue), "message": JSONValue(refusal.message),
            "hint": JSONValue(refusal.hint), "option": JSONValue(refusal.risk.map { "--\($0.rawValue)" }),
          ])
        }),
    ])
  }
}

extension EnrolmentPlan.Step {
  fileprivate var json: JSONValue {
    .object([
      "variable": .string(variable.name), "bytes": .integer(payload.count), "replaces": .boolean(old != nil),
      "entries": .array(
        entries.map { entry in
          .object([
            "name": JSONValue(entry.name), "origin": .string(entry.origin.rawValue),
            "fingerprint_sha256": JSONValue(entry.fingerprint),
          ])
        }),
    ])
  }
}

extension ListEntry {
  fileprivate var line: Message {
    switch origin {
    case .own: "\(name) (this host's)"
    case .microsoft: "\(name) (Microsoft's)"
    case .other: name
    }
  }
}

extension UnlockedDisk {
  fileprivate var json: JSONValue {
    let effect: String =
      switch effect {
      case .none: "none"
      case .stops: "stops"
      case .unknown: "unknown"
      }
    return .object([
      "device": .string(device), "effect": .string(effect), "has_other_keyslot": .boolean(hasOtherKeyslot),
      "tokens": .array(
        tokens.map { token in
          .object([
            "type": .string(token.type), "pcrs": .array(token.registers.map { .integer($0) }),
          ])
        }),
    ])
  }
}

extension EnrolmentExecutor.Event {
  /// What to show as it happens.
  var lines: [Message] {
    switch self {
    case .undoWritten(let path, let unreadable) where unreadable.isEmpty:
      ["The old variables are in \(path); its README says how to get back"]
    case .undoWritten(let path, let unreadable):
      [
        "The old variables are in \(path), except \(unreadable.joined(separator: ", ")); its README says how to get back"
      ]
    case .undoKept(let path): ["Continuing an interrupted run, whose first old variables are in \(path)"]
    case .written(let step): ["\(step.variable.name): written and read back: \(step.payload.count) bytes"]
    case .setupModeEnded(true): ["The firmware has left Setup Mode"]
    case .setupModeEnded(false): ["The firmware leaves Setup Mode at the next boot"]
    }
  }

  fileprivate var undo: String? {
    switch self {
    case .undoWritten(let path, _), .undoKept(let path): path
    case .written, .setupModeEnded: nil
    }
  }
}
