// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Reconcile
import TestSupport
import Testing

/// The processes below apt: init 1, shell 10, apt 20, apt's child 21 for its commands, dpkg 30, a hook 40.
@Suite struct PackageTransactionTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    for (number, parent) in [(1, 0), (10, 1), (20, 10), (21, 20), (30, 20), (40, 30)] {
      try addProcess(number, parent: parent)
    }
    try become(40)
  }

  private func addProcess(_ number: Int, parent: Int, start: Int? = nil, as name: String? = nil) throws {
    let zeros = [String](repeating: "0", count: 17).joined(separator: " ")
    try directory.write("proc/\(name ?? "\(number)")/stat", "\(number) (x) S \(parent) \(zeros) \(start ?? number) 0\n")
  }

  /// Makes that process the calling one.
  private func become(_ number: Int) throws {
    let parents = [1: 0, 10: 1, 20: 10, 21: 20, 30: 20, 40: 30]
    try addProcess(number, parent: parents[number] ?? 0, as: "self")
  }

  private func files() throws -> FileSystem { try directory.host().files }
  private func isUnderWay() throws -> Bool { try PackageTransaction.isUnderWay(in: files()) }

  @Test func processesStartedByAptArePartOfTheTransaction() throws {
    #expect(try !isUnderWay())
    try PackageTransaction.begin(child: 21, in: files())
    #expect(try directory.read("run/pve-sb-uki/transaction") == Array("20 20\n".utf8))
    #expect(try isUnderWay())
    for number in [20, 21, 30] {
      try become(number)
      #expect(try isUnderWay())
    }
    try PackageTransaction.end(in: files())
    #expect(try !isUnderWay())
    try PackageTransaction.end(in: files())
  }

  @Test func otherProcessesAreNotPartOfTheTransaction() throws {
    try PackageTransaction.begin(child: 21, in: files())
    for number in [1, 10] {
      try become(number)
      #expect(try !isUnderWay())
    }
  }

  @Test func theMarkOfAKilledAptIsStale() throws {
    try PackageTransaction.begin(child: 21, in: files())
    // dpkg continues as a child of init, and another program gets apt's number.
    try addProcess(30, parent: 1)
    try addProcess(20, parent: 1, start: 999)
    #expect(try !isUnderWay())
    try addProcess(30, parent: 20)
    #expect(try !isUnderWay())
  }

  @Test func aNewTransactionReplacesAnOldMark() throws {
    try directory.write("run/pve-sb-uki/transaction", "19 3\n")
    #expect(try !isUnderWay())
    try PackageTransaction.begin(child: 21, in: files())
    #expect(try isUnderWay())
  }

  @Test(arguments: ["", "20", "20 20 20", "20 x", "x 20", "-20 20", "20\n20 1"])
  func otherTextIsNotAMark(text: String) throws {
    try directory.write("run/pve-sb-uki/transaction", text)
    #expect(try !isUnderWay())
  }

  @Test(arguments: [0, 1, 10, 77, -1]) func noMarkIsWrittenForAnOrphan(child: Int) throws {
    try PackageTransaction.begin(child: child, in: files())
    #expect(try directory.read("run/pve-sb-uki/transaction") == nil)
  }
}
