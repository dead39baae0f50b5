// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import DebianArchive
internal import Messages

/// Holds a repacked package against its original.
struct RepackComparison {
  let original: PackageSurvey
  let repacked: PackageSurvey
  let anchors: [Certificate]
  private(set) var findings: [RepackFinding] = []
  private(set) var equalCount = 0

  init(original: PackageSurvey, repacked: PackageSurvey, anchors: [Certificate]) {
    self.original = original
    self.repacked = repacked
    self.anchors = anchors
  }

  mutating func run() throws {
    compareMembers()
    compareControlFiles()
    compareFields()
    compareSums()
    try compareFiles()
    checkSums(of: original, "the original's")
    checkSums(of: repacked, "the repacked")
    checkListing()
    let hasNewSignature = findings.contains { $0.kind == .imageSignature || $0.kind == .moduleSignature }
    if !anchors.isEmpty, !hasNewSignature {
      object(.imageSignature, repacked.identity.package, "nothing in it carries a new signature")
    }
  }

  mutating func expect(_ kind: RepackFinding.Kind, _ subject: some CustomStringConvertible, _ detail: Message) {
    findings.append(RepackFinding(kind: kind, isExpected: true, subject: subject.description, detail: detail))
  }

  mutating func object(_ kind: RepackFinding.Kind, _ subject: some CustomStringConvertible, _ detail: Message) {
    findings.append(RepackFinding(kind: kind, isExpected: false, subject: subject.description, detail: detail))
  }

  mutating func countEqual() { equalCount += 1 }

  private mutating func compareMembers() {
    for (old, new) in [
      (original.layout.control, repacked.layout.control), (original.layout.data, repacked.layout.data),
    ] {
      if old.compression != new.compression {
        expect(.compression, new.member.name, "it was \(old.member.name)")
      }
      if !Self.hasSameHeader(old.member, new.member) {
        object(.member, new.member.name, "its time, owner or mode in the archive is another")
      }
    }
    if original.layout.version != repacked.layout.version {
      object(.member, "debian-binary", "it says \(repacked.layout.version), not \(original.layout.version)")
    }
    let (old, new) = (original.layout.extraMembers.map(\.name), repacked.layout.extraMembers.map(\.name))
    for name in old where !new.contains(name) {
      if name.hasPrefix("_gpg") {
        expect(.member, name, "a signature of the whole package, which a changed one cannot have, was left out")
      } else {
        object(.member, name, "it was left out")
      }
    }
    for name in new where !old.contains(name) { object(.member, name, "it was added") }
  }

  private static func hasSameHeader(_ one: ArArchive.Member, _ other: ArArchive.Member) -> Bool {
    (one.modified, one.owner, one.group, one.mode) == (other.modified, other.owner, other.group, other.mode)
  }

  /// What differs between two entries apart from name, size and content, as the rest of a sentence; nil if nothing does.
  static func metadataDifference(_ old: TarEntry, _ new: TarEntry) -> Message? {
    if old.kind != new.kind { return "it is of another type" }
    if old.mode != new.mode {
      return "its permissions are \(String(new.mode, radix: 8)), not \(String(old.mode, radix: 8))"
    }
    if (old.owner, old.group, old.ownerName, old.groupName) != (new.owner, new.group, new.ownerName, new.groupName) {
      return "its owner or group is another"
    }
    if old.modified != new.modified { return "its time is \(new.modified), not \(old.modified)" }
    if old.rawLink != new.rawLink { return "it leads to \(new.linkPath), not to \(old.linkPath)" }
    if old.device != new.device { return "it is another device" }
    if old.paxRecords != new.paxRecords { return "its pax records are others" }
    return nil
  }
}
