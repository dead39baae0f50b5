// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
package import Messages

/// Tells a person how far a large write is, once it takes longer than a second.
///
/// The kernel takes bytes much faster than a slow medium. So that the number is that of the medium, at most `backlog`
/// bytes are left to fsync(2).
package final class WriteProgress {
  private static let backlog = 8 << 20
  /// Bytes between two requests to the kernel.
  private static let step = 1 << 20

  private let subject: Message
  private let total: Int
  private let host: Host
  private let start: Int64
  private var lastReport: Int64
  private var requested = 0

  /// Nil unless a person watches.
  ///
  /// `subject` names the file, and `total` is its size in bytes, which need not be exact.
  package init?(of subject: Message, total: Int, on host: Host) {
    guard host.isWatched else { return nil }
    self.subject = subject
    self.total = total
    self.host = host
    start = host.now()
    // The clock has whole seconds: the next one may come at once.
    lastReport = start + 1
  }

  /// `count` bytes were passed to the kernel.
  func advance(to count: Int, in file: Int32) {
    guard count - requested >= Self.step else { return }
    psu_write_back(file, requested, count - requested, 0)
    requested = count
    let written = max(0, count - Self.backlog)
    if written > 0 { psu_write_back(file, 0, written, 1) }
    let now = host.now()
    guard now > lastReport else { return }
    lastReport = now
    let rate = Quantity.megabytes(written / Int(clamping: max(1, now - start)))
    host.progress(
      """
      \(subject): \(Quantity.percent(min(written, total), of: total)) % of \(Quantity.megabytes(total)) MB written, \
      \(rate) MB/s
      """)
  }

  /// All bytes are on the medium.
  func startReadingBack() { host.progress("\(subject): reading back \(Quantity.megabytes(total)) MB") }
}
