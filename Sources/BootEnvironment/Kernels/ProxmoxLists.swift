// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// What proxmox-boot-tool was told about kernels: `kernel pin`, `kernel pin --next-boot` and `kernel add`.
///
/// Read, never written.
///
/// A pin is the first line of its file, and an empty one is none; the manual list holds a release a line. White space
/// at either end of a line does not count. Nothing in these files is an error: what cannot be read or names no kernel
/// is passed over with a note, so that a damaged list does not stop the rest.
package struct ProxmoxLists: Hashable, Sendable {
  /// The kernel to boot until it is unpinned.
  ///
  /// Like the others it need not be installed.
  package var pin: Kernel?
  /// The kernel to boot once.
  package var nextBootPin: Kernel?
  /// When that pin was set, in nanoseconds since 1970; 0 without one.
  package var nextBootPinTime: Int64 = 0
  /// Kernels to keep besides those that are chosen by themselves, in the order of the file.
  package var manual: [Kernel] = []
  /// What was passed over, a sentence each.
  package var notes: [Message] = []

  package static let pinPath = "/etc/kernel/proxmox-boot-pin"
  package static let nextBootPinPath = "/etc/kernel/next-boot-pin"
  package static let manualPath = "/etc/kernel/proxmox-boot-manual-kernels"
  private static let sizeLimit = 1 << 16

  /// Nothing pinned, nothing added.
  package init() {}

  /// Reads the host's lists; files that do not exist say nothing.
  package init(of files: FileSystem) {
    if let lines = lines(of: Self.pinPath, files) { pin = kernels(lines.prefix(1), Self.pinPath).first }
    if let lines = lines(of: Self.nextBootPinPath, files) {
      nextBootPin = kernels(lines.prefix(1), Self.nextBootPinPath).first
      if nextBootPin != nil { nextBootPinTime = (try? files.status(of: Self.nextBootPinPath))?.modified ?? 0 }
    }
    if let lines = lines(of: Self.manualPath, files) { manual = kernels(lines, Self.manualPath) }
  }

  private mutating func lines(of path: String, _ files: FileSystem) -> [String.SubSequence]? {
    do {
      guard let text = try files.readTextIfPresent(path, limit: Self.sizeLimit) else { return nil }
      // A carriage return and a line feed are one character.
      return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    } catch {
      notes.append("\(error); it is passed over")
      return nil
    }
  }

  private mutating func kernels(_ lines: some Collection<Substring>, _ path: String) -> [Kernel] {
    var kernels: [Kernel] = []
    var strange: [Int] = []
    for (index, line) in lines.enumerated() {
      let text = Self.trimmed(line)
      if text.isEmpty { continue }
      guard let kernel = Kernel(release: text) else {
        strange.append(index + 1)
        continue
      }
      if !kernels.contains(kernel) { kernels.append(kernel) }
    }
    if let first = strange.first {
      let others = strange.count - 1
      notes.append(
        others > 0
          ? "\(path), line \(first): it is no kernel release (nor are \(others) lines after it); it is passed over"
          : "\(path), line \(first): it is no kernel release; it is passed over")
    }
    return kernels
  }

  private static func trimmed(_ line: Substring) -> Substring {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
    var text = line.drop(while: isBlank)
    while let last = text.last, isBlank(last) { text.removeLast() }
    return text
  }
}
