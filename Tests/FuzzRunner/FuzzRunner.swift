// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem

/// `fuzz-runner list`: prints the names of the parsers.
///
/// `fuzz-runner PARSER SEED COUNT FILE`: runs one parser on its seeds and on `COUNT` damaged variants of them. The same
/// `SEED` makes the same variants. `FILE` always has the latest input, so that it is known after a crash. Prints the
/// number of executions, how many inputs were accepted, and the most time and memory. Exits with 1 after an input that
/// took more than a second of processor time or more memory than the parser may need.
@main
struct FuzzRunner {
  /// Seconds of processor time for one input.
  private static let timeLimit = 1.0

  static func main() throws {
    let arguments = ProcessArguments.all
    if arguments.dropFirst() == ["list"] {
      for parser in FuzzedParser.all { print(parser.name) }
      return
    }
    guard arguments.count == 5, let parser = FuzzedParser.all.first(where: { $0.name == arguments[1] }),
      let seed = UInt64(arguments[2]), let count = Int(arguments[3])
    else {
      print("usage: fuzz-runner list | PARSER SEED COUNT FILE")
      exit(2)
    }
    try FuzzRunner(parser: parser, latest: LatestInput(arguments[4])).run(seed: seed, count: count)
  }

  let parser: FuzzedParser
  let latest: LatestInput

  private func run(seed: UInt64, count: Int) throws {
    let seeds = try parser.seeds()
    var mutator = Mutator(seeds: seeds, seed: seed)
    var accepted = 0
    var slowest = 0.0
    for number in 0..<seeds.count + count {
      var input = number < seeds.count ? seeds[number] : mutator.next()
      if number >= seeds.count { parser.repair(&input) }
      latest.record(input)
      let memory = Usage.memory
      let start = Usage.time
      if (try? parser.parse(input)) != nil { accepted += 1 }
      let time = Usage.time - start
      slowest = max(slowest, time)
      guard time <= Self.timeLimit else { return fail("took \(time) seconds") }
      let growth = Usage.memory - memory
      guard growth <= parser.memoryLimit else { return fail("needed \(growth >> 20) MiB") }
    }
    // Inputs that are all rejected, or a seed that is, would test little.
    guard accepted >= seeds.count else { return fail("rejected its own seeds") }
    print(
      "\(parser.name): \(seeds.count + count) executions, \(accepted) accepted, slowest \(Int(slowest * 1000)) ms, "
        + "\(Usage.memory >> 20) MiB")
  }

  private func fail(_ reason: String) {
    print("\(parser.name): \(reason)")
    exit(1)
  }
}

/// What this process has used so far.
private enum Usage {
  private static var usage: rusage {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage
  }

  /// Seconds of processor time.
  static var time: Double {
    let usage = usage
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }

  /// The most bytes of memory so far.
  static var memory: Int { usage.ru_maxrss << 10 }
}

/// A file that always has the latest input.
struct LatestInput {
  private let descriptor: Int32

  init(_ path: String) { descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644) }

  func record(_ input: [UInt8]) {
    _ = input.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    ftruncate(descriptor, input.count)
  }
}
