// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import TestSupport
import Testing

@Suite struct ProcessStatusTests {
  /// As written by Linux 6.1, except for the numbers and the name.
  private static func line(_ number: String, _ name: String, parent: String, start: String) -> String {
    "\(number) (\(name)) S \(parent) 4711 4711 0 -1 4194560 120 0 0 0 0 0 0 0 20 0 1 0 \(start) 2531328 180 "
      + "18446744073709551615 1 1 0 0 0 0 0 0 65538 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
  }

  @Test(arguments: ["dpkg", "a b", "S 1) S 2 (", ")", "", "\u{301}x", "\n"])
  func fieldsAreReadForAnyProcessName(name: String) {
    let status = ProcessStatus(parsing: Self.line("4711", name, parent: "42", start: "987654"))
    #expect(status == ProcessStatus(number: 4711, parent: 42, startTime: 987_654))
  }

  @Test(arguments: [
    "", "4711", "4711 (x", "4711 )x( S 1", "4711 (x) S 42", line("x", "sh", parent: "1", start: "5"),
    line("0", "sh", parent: "1", start: "5"), line("-4", "sh", parent: "1", start: "5"),
    line("4711", "sh", parent: "-1", start: "5"), line("4711", "sh", parent: "1", start: "-5"),
    line("99999999999999999999", "sh", parent: "1", start: "5"),
  ])
  func invalidStatusLinesAreRejected(text: String) { #expect(ProcessStatus(parsing: text) == nil) }

  @Test func theParentsOfThisProcessAreListed() throws {
    let files = try FileSystem(root: "/")
    let line = try files.processesAbove()
    try #require(line.count >= 2)
    #expect(line[0].number == Int(getpid()) && line[0].parent == Int(getppid()) && line[1].number == Int(getppid()))
    #expect(line.last?.parent == 0)
    #expect(try files.process(Int(getpid())) == line[0])
    // ps uses the same field, in seconds; a process is not older than its parent.
    #expect(line[0].startTime >= line[1].startTime)
  }

  @Test func withoutProcfsThereAreNoProcesses() throws {
    let directory = try TemporaryDirectory()
    let files = try directory.host().files
    #expect(try files.processesAbove().isEmpty && files.process(1) == nil)
  }

  @Test func aCycleOfParentsEnds() throws {
    let directory = try TemporaryDirectory()
    try directory.write("proc/self/stat", Self.line("7", "x", parent: "8", start: "1"))
    try directory.write("proc/8/stat", Self.line("8", "x", parent: "7", start: "1"))
    try directory.write("proc/7/stat", Self.line("7", "x", parent: "8", start: "1"))
    #expect(try directory.host().files.processesAbove().count == 256)
  }
}
