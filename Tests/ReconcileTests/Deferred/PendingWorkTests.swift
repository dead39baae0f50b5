// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Reconcile
import TestSupport
import Testing

@Suite struct PendingWorkTests {
  private let directory: TemporaryDirectory
  private let recorder = MutationRecorder()

  init() throws { directory = try TemporaryDirectory() }

  private func files() throws -> FileSystem { try directory.host(gate: recorder.gate).files }

  private func note(_ release: String?, at time: Int64 = 1) throws {
    try PendingWork.note(release, at: time, in: files())
  }

  @Test func recordedWorkIsLoadedUntilItIsCleared() throws {
    #expect(try PendingWork.load(from: files()) == nil)
    try note(nil, at: 1_750_000_000)
    try note("6.8.12-10-pve", at: 1_750_000_001)
    try note("6.8.12-9-pve", at: 1_750_000_002)
    #expect(
      try directory.read("var/lib/pve-sb-uki/pending")
        == Array("1750000000\n6.8.12-10-pve\n6.8.12-9-pve\n".utf8))
    let work = PendingWork(time: 1_750_000_000, releases: ["6.8.12-10-pve", "6.8.12-9-pve"])
    #expect(try PendingWork.load(from: files()) == work)
    try PendingWork.clear(from: files())
    #expect(try PendingWork.load(from: files()) == nil)
  }

  @Test func knownWorkIsNotWrittenAgain() throws {
    try note(nil)
    try note("6.8.12-10-pve")
    let count = recorder.mutations.count
    try note(nil, at: 2)
    try note("6.8.12-10-pve", at: 2)
    try note("../../etc/passwd", at: 2)
    #expect(recorder.mutations.count == count)
    try PendingWork.clear(from: files())
    let cleared = recorder.mutations.count
    try PendingWork.clear(from: files())
    #expect(recorder.mutations.count == cleared)
  }

  @Test(
    arguments: [
      ("", 0, []), ("x\n6.1.0\n", 0, ["6.1.0"]), ("5\n\n-a\n6.1.0\n6/1\n", 5, ["6.1.0"]), ("5", 5, []),
    ] as [(String, Int64, [String])])
  func aDamagedFileStillMeansPendingWork(text: String, time: Int64, releases: [String]) throws {
    try directory.write("var/lib/pve-sb-uki/pending", text)
    #expect(try PendingWork.load(from: files()) == PendingWork(time: time, releases: releases))
  }

  @Test func theNumberOfReleasesIsLimited() throws {
    try directory.write("var/lib/pve-sb-uki/pending", "1\n" + (1...400).map { "6.1.\($0)\n" }.joined())
    #expect(try PendingWork.load(from: files())?.releases.count == 256)
    let count = recorder.mutations.count
    try note("7.0.0")
    #expect(recorder.mutations.count == count)
  }
}
