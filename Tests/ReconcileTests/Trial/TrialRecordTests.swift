// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct TrialRecordTests {
  private let root: TemporaryDirectory

  init() throws { root = try TemporaryDirectory() }

  private static let digests = (1...3).map { String(repeating: "0\($0)", count: 32) }
  private static let full = """
    attempt \(digests[0]) boot-id 5 00AB 1 armed pve-6.8.12-9-pve~previous.efi /mount point
    skipped other-boot-id
    test watchdog 9
    failed \(digests[1]) 6 pve-6.8.12-9-pve.efi Kernel panic - not syncing
    failed \(digests[2]) 7 pve-6.8.12-10-pve.efi
    request pve-6.8.12-9-pve.efi panic
    passed panic 3
    late deadline 4
    firmware works

    """
  private static let small = "attempt \(digests[0]) boot-id 5 - - arming pve-6.8.12-9-pve.efi AAAA-0001\n"

  @Test(arguments: [full, small]) func itIsWrittenAsItWasRead(_ text: String) throws {
    let files = try root.host().files
    try root.write(TrialRecord.path, text)
    let record = TrialRecord.load(from: files)
    #expect(record.attempt?.name.kernel.release == "6.8.12-9-pve")
    try files.remove(TrialRecord.path)
    try record.save(to: files)
    #expect(try root.read(TrialRecord.path).map { String(decoding: $0, as: UTF8.self) } == text)
  }

  @Test func anEmptyOneIsNotWritten() throws {
    let files = try root.host().files
    try TrialRecord().save(to: files)
    #expect(try !files.exists(TrialRecord.path))
  }

  @Test func damageNeverCrashes() throws {
    let files = try root.host().files
    let good = Array(Self.full.utf8)
    for damaged in Mutations(of: good, count: 300) {
      try root.write(TrialRecord.path, damaged)
      try TrialRecord.load(from: files).save(to: files)
      let saved = TrialRecord.load(from: files)
      try saved.save(to: files)
      #expect(TrialRecord.load(from: files) == saved)
    }
  }

  @Test func oldFailuresAreForgotten() throws {
    let files = try root.host().files
    let lines = (10..<40).map { "failed \(String(repeating: "\($0)", count: 32)) 1 pve-6.8.12-9-pve.efi\n" }
    try root.write(TrialRecord.path, lines.joined())
    try TrialRecord.load(from: files).save(to: files)
    #expect(TrialRecord.load(from: files).failures.count == 20)
    #expect(TrialRecord.load(from: files).failures.last?.digest.first == 0x39)
  }
}
