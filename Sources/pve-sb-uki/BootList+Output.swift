// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
internal import Messages
import PveSbUki

extension BootList.Result {
  /// `isLong` adds the device paths of what is no file.
  func text(isLong: Bool) -> String {
    guard !entries.isEmpty else { return ("The firmware has no boot entries." as Message).localLine }
    return entries.flatMap { entry -> [Message] in
      let place = entry.place.map { "\($0)" } ?? "-"
      let head = String(repeating: " ", count: max(0, 3 - place.count)) + "\(place)  \(entry.number.name)"
      let line: Message =
        entry.remarks.isEmpty
        ? "\(head)  \(entry.title)" : "\(head)  \(entry.title) (\(entry.remarks.joined(separator: ", ")))"
      return [line] + (entry.destination(isLong: isLong).map { ["               \($0)"] } ?? [])
    }.localLines
  }

  var json: JSONValue {
    .object(["entries": .array(entries.map(\.json)), "problems": JSONValue(problems)])
  }
}

extension BootList.Entry {
  fileprivate var title: Message {
    if isMissing { return "no such entry" }
    return label.map { Message(verbatim: $0) } ?? "an entry that cannot be understood"
  }

  fileprivate var remarks: [Message] {
    var remarks: [Message] = []
    if owner == .ours { remarks.append("ours") }
    if owner == .leftover { remarks.append("left over from us") }
    if isCurrent { remarks.append("booted from") }
    if isNext { remarks.append("next") }
    if !isActive, !isMissing { remarks.append("not active") }
    return remarks
  }

  /// The file, and as much of its partition's GUID as tells partitions apart.
  fileprivate func destination(isLong: Bool) -> Message? {
    if let path, let partition { return "\(path) on \(isLong ? partition[...] : partition.prefix(8))" }
    return isLong ? devicePath.map { Message(verbatim: $0) } : nil
  }

  fileprivate var json: JSONValue {
    .object([
      "entry": .string(number.name), "place": JSONValue(place), "exists": .boolean(!isMissing),
      "active": .boolean(isActive), "current": .boolean(isCurrent), "next": .boolean(isNext),
      "label": JSONValue(label), "path": JSONValue(path), "partition": JSONValue(partition),
      "device_path": JSONValue(devicePath), "owner": .string(owner.rawValue),
    ])
  }
}
