// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import PveSbUki

extension BootList.Result {
  /// `isLong` adds the device paths of what is no file.
  func text(isLong: Bool) -> String {
    guard !entries.isEmpty else { return "The firmware has no boot entries.\n" }
    return entries.map { entry in
      let place = entry.place.map { "\($0)" } ?? "-"
      let fill = String(repeating: " ", count: max(0, 3 - place.count))
      let remarks = entry.remarks.isEmpty ? "" : " (\(entry.remarks.joined(separator: ", ")))"
      let lines = ["\(fill)\(place)  \(entry.number.name)  \(entry.title)\(remarks)"]
      let destination = entry.destination(isLong: isLong).map { ["               \($0)"] } ?? []
      return (lines + destination).joined(separator: "\n") + "\n"
    }.joined()
  }

  var json: JSONValue {
    .object(["entries": .array(entries.map(\.json)), "problems": JSONValue(problems)])
  }
}

extension BootList.Entry {
  fileprivate var title: String { isMissing ? "no such entry" : label ?? "an entry that cannot be understood" }

  fileprivate var remarks: [String] {
    var remarks: [String] = []
    if owner == .ours { remarks.append("ours") }
    if owner == .leftover { remarks.append("left over from us") }
    if isCurrent { remarks.append("booted from") }
    if isNext { remarks.append("next") }
    if !isActive, !isMissing { remarks.append("not active") }
    return remarks
  }

  /// The file, and as much of its partition's GUID as tells partitions apart.
  fileprivate func destination(isLong: Bool) -> String? {
    if let path, let partition { return "\(path) on \(isLong ? partition[...] : partition.prefix(8))" }
    return isLong ? devicePath : nil
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
