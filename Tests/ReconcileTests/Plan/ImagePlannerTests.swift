// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Reconcile
import Testing

/// Sizes are in MiB; a kernel is named by one letter.
@Suite struct ImagePlannerTests {
  private static let mebibyte = 1 << 20

  private static func kernel(_ name: String) throws -> Kernel { try #require(Kernel(release: name)) }
  private static func name(_ text: String) throws -> UKIName { try #require(UKIName(fileName: "pve-\(text).efi")) }
  private static func digest(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// `a`: made by pve-sb-uki and never booted; `a=3`: with these contents; `a*5`: last booted at 5; `a?`: foreign.
  private static func image(_ text: String, size: Int) throws -> PresentImage {
    let place = text.prefix { !"=*?".contains($0) }
    let rest = text.dropFirst(place.count)
    let name = try name(String(place))
    if rest == "?" { return PresentImage(name, size: size * mebibyte, content: .unknown) }
    let parts = rest.split(separator: "*", omittingEmptySubsequences: false)
    let booted = parts.count == 2 ? Int64(parts[1]) : nil
    let content = parts.first.map { $0.dropFirst() } ?? ""
    return PresentImage(
      name, size: size * mebibyte,
      content: .recorded(digest: digest(content.isEmpty ? "old" : String(content)), booted: booted))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var what: String
    /// Kernels that should have a UKI, with the content it must have, or `!` and its size if it must be built.
    var wanted: [String]
    var present: [String]
    var size = 40
    var free: Int
    var running: String?
    var installed: [String] = []
    var removesOthers = true
    /// `write a`, `write a keeping`, `remove a gone`, then `full a`, `stay a known-good`.
    var expected: [String]
    var testDescription: String { what }
  }

  static let cases: [Case] = [
    Case(what: "an empty ESP", wanted: ["a!", "b!"], present: [], free: 100, expected: ["write a", "write b"]),
    Case(what: "all UKIs are current", wanted: ["a1", "b2"], present: ["a=1", "b=2"], free: 0, expected: []),
    Case(
      what: "a changed UKI that never booted is replaced", wanted: ["a3", "b2"], present: ["a=1", "b=2"], free: 50,
      expected: ["write a"]),
    Case(
      what: "a UKI that booted is kept as the previous one", wanted: ["a3", "b2"], present: ["a=1*7", "b=2"], free: 50,
      expected: ["write a keeping"]),
    Case(
      what: "an older known-good UKI gives way to a newer one", wanted: ["a3"], present: ["a=1*7", "a~previous=0*5"],
      free: 50, expected: ["write a keeping"]),
    Case(
      what: "the known-good previous UKI is kept when its unproven successor is replaced", wanted: ["a3"],
      present: ["a=2", "a~previous=1*5"], free: 50, expected: ["write a"]),
    Case(
      what: "the previous UKI is removed when its successor has booted", wanted: ["a2"],
      present: ["a=2*9", "a~previous=1*5"], free: 0, expected: ["remove a~previous superseded"]),
    Case(
      what: "and not before that", wanted: ["a2"], present: ["a=2", "a~previous=1*5"], free: 0, expected: []),
    Case(
      what: "UKIs of removed and unwanted kernels are removed", wanted: ["a1"], present: ["a=1", "b", "c"], free: 0,
      installed: ["c"],
      expected: ["remove b gone", "remove c unwanted"]),
    Case(
      what: "and their previous UKIs", wanted: ["a1"], present: ["a=1*9", "b", "b~previous"], free: 0,
      expected: ["remove b gone", "remove b~previous gone"]),
    Case(
      what: "not with --kernel", wanted: ["a1"], present: ["a=1", "b"], free: 0, removesOthers: false, expected: []),
    Case(
      what: "the last booted UKI is kept", wanted: ["a1"], present: ["a=1", "b*5"], free: 0,
      expected: ["stay b known-good"]),
    Case(
      what: "until another one has booted", wanted: ["a1"], present: ["a=1*6", "b*5"], free: 0,
      expected: ["remove b gone"]),
    Case(
      what: "the running kernel's UKI is kept", wanted: ["a1"], present: ["a=1", "b"], free: 0, running: "b",
      expected: ["stay b running"]),
    Case(
      what: "foreign UKIs are kept", wanted: ["a1"], present: ["a=1", "b?"], free: 0, expected: []),
    Case(
      what: "the last UKIs are kept", wanted: [], present: ["a", "b"], free: 0,
      expected: ["stay a last", "stay b last"]),
    Case(
      what: "no room: the last in precedence gets no UKI", wanted: ["a!", "b!", "c!"], present: [], free: 96,
      expected: ["write a", "write b", "full c"]),
    Case(
      what: "no room: a removed kernel's UKI is removed first", wanted: ["a!", "b2"], present: ["b=2", "c"], free: 10,
      expected: ["remove c gone", "write a"]),
    Case(
      what: "no room: the last good UKI is not removed", wanted: ["a!"], present: ["c"], free: 10,
      expected: ["full a", "stay c last"]),
    Case(
      what: "no room: its own old UKI is removed while another one is current", wanted: ["a3", "b2"],
      present: ["a=1", "b=2"],
      free: 10, expected: ["remove a room", "write a"]),
    Case(
      what: "no room: but not if its kernel is running", wanted: ["a3", "b2"], present: ["a=1", "b=2"], free: 10,
      running: "a", expected: ["full a"]),
    Case(
      what: "no room: but not if the machine was last booted from it", wanted: ["a3", "b2"], present: ["a=1*5", "b=2"],
      free: 10, expected: ["remove b room", "write a keeping", "full b"]),
    Case(
      what: "no room: the least wanted UKI makes room for the most wanted", wanted: ["a!", "b2", "c3"],
      present: ["b=2", "c=3"], free: 10, expected: ["remove c room", "write a", "full c"]),
    Case(
      what: "no room: a previous UKI is removed before a wanted one", wanted: ["a!", "b2", "c3"],
      present: ["b=2*9", "c=3", "c~previous"], free: 10, expected: ["remove c~previous room", "write a"]),
    Case(
      what: "no room: nothing is removed if it would not help", wanted: ["a!", "b2", "c3"], present: ["b=2", "c=3"],
      size: 200, free: 10, expected: ["full a"]),
    Case(
      what: "no room: the known-good previous UKI is kept", wanted: ["a3", "b!"], present: ["a=1*7"], free: 50,
      expected: ["write a keeping", "full b"]),
  ]

  @Test(arguments: cases) func theExpectedStepsArePlanned(row: Case) throws {
    let size = row.size * Self.mebibyte
    let wanted = try row.wanted.map { text in
      let contents = String(text.dropFirst())
      return PlannedKernel(
        try Self.kernel(String(text.prefix(1))),
        demand: contents == "!" ? .build(size: size) : .bytes(digest: Self.digest(contents), size: size))
    }
    let present = try row.present.map { try Self.image($0, size: 40) }
    var inventory = KernelInventory()
    inventory.kernels = try wanted.map(\.kernel) + row.installed.map(Self.kernel)
    inventory.present = Set(inventory.kernels.map(\.release))
    let plan = ImagePlanner.plan(
      wanted, on: ESPContents(images: present, free: row.free * Self.mebibyte), inventory: inventory,
      running: row.running, removesOthers: row.removesOthers)
    #expect(Self.text(plan) == row.expected)
  }

  /// Promise I1: a UKI that the machine starts is not removed for one that it does not start.
  @Test func neededImagesAreNotRemovedToMakeRoom() throws {
    let wanted = [
      PlannedKernel(try Self.kernel("c"), demand: .build(size: 40 * Self.mebibyte)),
      PlannedKernel(try Self.kernel("b")), PlannedKernel(try Self.kernel("a")),
    ]
    let present = try ["a*7", "b", "d"].map { try Self.image($0, size: 40) }
    let inventory = KernelInventory(kernels: wanted.map(\.kernel), present: ["a", "b", "c"])
    func plan(keeping names: Set<UKIName>) -> [String] {
      Self.text(
        ImagePlanner.plan(
          wanted, on: ESPContents(images: present, free: 10 * Self.mebibyte), inventory: inventory, running: "a",
          removesOthers: false, keeping: names))
    }
    #expect(plan(keeping: []) == ["remove d gone", "write c"])
    #expect(try plan(keeping: [Self.name("d")]) == ["remove b room", "write c"])
    #expect(try plan(keeping: [Self.name("b"), Self.name("d")]) == ["full c"])
  }

  private static func short(_ name: UKIName) -> String { String(name.fileName.dropFirst(4).dropLast(4)) }

  private static func text(_ plan: ImageChanges) -> [String] {
    let steps = plan.steps.map { step in
      switch step {
      case .sweep(let path): "sweep \(path)"
      case .remove(let name, let reason): "remove \(short(name)) \(reason.rawValue)"
      case .write(let kernel, let keepsPrevious): "write \(kernel.release)" + (keepsPrevious ? " keeping" : "")
      }
    }
    let stays = plan.kept.map { "stay \(short($0.key)) \($0.value.rawValue)" }.sorted()
    return steps + plan.shortages.map { "full \($0.kernel.release)" } + stays
  }
}
