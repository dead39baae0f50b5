// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem

/// The memory that all packages of a call share: packages with large blocks or files wait for each other.
///
/// Two budgets, because a package holds blocks while it waits for room for a file.
struct RepackMemory: Sendable {
  /// For decoded blocks and for compressing.
  let blocks: MemoryBudget
  /// For the contents of files that are signed.
  let files = MemoryBudget(bytes: 256 << 20)

  /// Bytes for an ordinary block of 24 MiB, decoded and encoded.
  private static let ordinary = 96 << 20
  /// How often a block's text is in memory while it is transcoded, with its symbols.
  private static let copies = 3

  /// Ordinary packages never wait: there is room for `jobs` of their blocks.
  init(jobs: Int) { blocks = MemoryBudget(bytes: max(512 << 20, jobs * Self.ordinary)) }

  /// The number of threads that may transcode blocks of up to `size` bytes at a time, at most `workers`.
  func workers(_ workers: Int, forBlocksOf size: Int) -> Int {
    max(1, min(workers, blocks.total / max(1, Self.copies * size)))
  }

  /// Calls `body` when there is room for `workers` blocks of `size` bytes.
  func reservingBlocks<Result>(_ workers: Int, of size: Int, _ body: () throws -> Result) rethrows -> Result {
    try blocks.reserving(workers * Self.copies * size, body)
  }
}
