// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import BootPaths
import HostCommands
import HostSystem
import KernelRepack
import KeyEnrolment
import Messages
import Reconcile
import TestSupport
import Testing
import UnifiedKernelImage

/// `docs/json.md` is complete, and raw values never change.
@Suite struct JSONPageTests {
  private static func page(_ name: String) throws -> String {
    String(
      decoding: try FileSystem().readFile("\(Fixture.projectDirectory)/docs/\(name)", limit: 1 << 20), as: UTF8.self)
  }

  private static func documents() throws -> [JSONValue] {
    try Golden.all.map { try JSONValue(parsing: Array($0.utf8)) }
  }

  @Test func everyDocumentHasASchemaVersion() throws {
    for document in try Self.documents() { #expect(document["schema"] == 1) }
  }

  @Test func thePageDocumentsEveryMember() throws {
    let pages = try Self.page("json.md") + Self.page("repack-report.md")
    let names = Set(try Self.documents().flatMap(\.memberNames))
    #expect(names.count > 80)
    for name in names.sorted() { #expect(pages.contains("`\(name)`"), "\(name)") }
  }

  @Test func enumerationWordsAreStableAndDocumented() throws {
    let page = try Self.page("json.md")
    func check<Word: RawRepresentable<String>>(_ type: Word.Type, _ words: String...) {
      for word in words {
        #expect(Word(rawValue: word) != nil, "\(type) \(word)")
        #expect(page.contains("`\(word)`"), "\(type) \(word)")
      }
    }
    check(SkipReason.self, "disabled", "installer", "container", "no-firmware", "no-keys", "no-esp")
    check(ImageOutcome.State.self, "current", "signed", "copied", "failed", "removed", "kept")
    check(Status.Kernel.State.self, "current", "stale", "missing", "changed", "unusable", "kept", "waiting")
    check(
      MachineState.Stage.self, "inactive", "no-keys", "keys-made", "key-missing", "not-enrolled", "ready-to-enrol",
      "waits-for-mokmanager", "enrolled", "not-booted", "booted", "rejected")
    check(BootTimes.Program.self, "uki", "systemd-boot", "other")
    check(ImageSizes.Part.self, "kernel", "initrd", "microcode", "splash", "other")
    check(RebootVerdict.Answer.self, "safe", "unsafe", "unknown")
    check(EnrolMOK.Result.Outcome.self, "trusted", "pending", "requested", "planned")
    check(KernelLockdown.self, "none", "integrity", "confidentiality")
    check(
      WantedKernels.Reason.self, "next-boot-pin", "pin", "preferred", "running", "newest", "previous-series", "manual")
    check(ImageChanges.RemovalReason.self, "gone", "unwanted", "superseded", "room")
    check(BootList.Owner.self, "ours", "leftover", "foreign")
    check(BootPath.Outcome.self, "starts", "depends", "rejected", "broken", "skipped", "unknown")
    check(BootStep.Verdict.self, "starts", "depends", "rejected", "missing", "damaged", "unknown")
    check(
      BootStep.Program.self, "shim", "mok-manager", "fallback", "grub", "systemd-boot", "uki", "foreign-uki", "kernel",
      "windows", "fwupd", "firmware", "network", "device", "unknown")
    check(SignatureReport.Verdict.self, "valid", "other-image", "broken")
    check(
      Refusal.Kind.self, "not-in-setup-mode", "kek-is-foreign", "no-factory-lists", "variables-read-only", "keys-away",
      "no-usable-uki", "no-boot-path", "lost-boot-path", "nvram-full", "lost-tpm-unlock", "no-passphrase",
      "unknown-disk", "lost-option-rom")
    check(ListEntry.Origin.self, "own", "microsoft", "other")
    check(ConfigurationList.Source.self, "default", "file", "drop-in")
    check(SignatureKind.self, "efi", "linux-module")
    check(
      RepackFinding.Kind.self, "compression", "member", "control-file", "control-field", "md5sums", "file-added",
      "file-removed", "file-renamed", "order", "metadata", "content", "image-signature", "module-signature",
      "provenance")
    let report = try Self.page("repack-report.md")
    for word in ["transcoded", "blocks", "whole"] {
      #expect(PackageReport.Packing(rawValue: word) != nil && report.contains("`\(word)`"))
    }
  }
}

extension JSONValue {
  /// The names of all members, at any depth.
  fileprivate var memberNames: [String] {
    switch self {
    case .object(let members): members.flatMap { [$0.key] + $0.value.memberNames }
    case .array(let elements): elements.flatMap(\.memberNames)
    default: []
    }
  }
}
