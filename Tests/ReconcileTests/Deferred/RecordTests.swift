// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct LoaderDefaultRecordTests {
  @Test func theRecordIsReadAsItWasWritten() throws {
    let directory = try TemporaryDirectory()
    let files = try directory.host().files
    var record = LoaderDefaultRecord()
    #expect(LoaderDefaultRecord.load(from: files) == record)
    record.variables = ["pve-6.8.12-4-pve.efi", "pve-6.14.8-2-pve.efi"]
    record.defaults = ["1111-AAA1": "pve-*.efi", "/boot/my efi": "pve-6.8.12-4-pve.efi"]
    try record.save(to: files)
    #expect(LoaderDefaultRecord.load(from: files) == record)
    #expect(record.isOurs("pve-*.efi") && record.isOurs("PVE-6.8.12-4-pve.efi") && !record.isOurs("pve-6.8-pve.efi"))
    let content = try #require(try directory.read(LoaderDefaultRecord.path))
    for bytes in Mutations(of: content, count: 2000) {
      try directory.write(LoaderDefaultRecord.path, bytes)
      _ = LoaderDefaultRecord.load(from: files)
    }
  }
}

@Suite struct FailureRecordTests {
  @Test func aFailureIsRecordedUntilItIsCleared() throws {
    let directory = try TemporaryDirectory()
    let files = try directory.host().files
    #expect(try FailureRecord.load(from: files) == nil)
    try FailureRecord.clear(from: files)
    let record = FailureRecord(time: 1_750_000_000, messages: ["one", "two\nlines"])
    try record.save(to: files)
    #expect(
      try FailureRecord.load(from: files) == FailureRecord(time: 1_750_000_000, messages: ["one", "two lines"]))
    try FailureRecord.clear(from: files)
    #expect(try FailureRecord.load(from: files) == nil)
    try directory.write("var/lib/pve-sb-uki/failure", "nonsense")
    #expect(try FailureRecord.load(from: files)?.messages == ["nonsense"])
  }
}
