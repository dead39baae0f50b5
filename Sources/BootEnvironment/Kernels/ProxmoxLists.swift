// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
package import Messages

/// The kernels chosen with proxmox-boot-tool: `kernel pin`, `kernel pin --next-boot` and `kernel add`.
///
/// The files are never written. A pin is the first line of its file; an empty line means no pin. The manual list has
/// one release per line. White space at the ends of a line is ignored. Invalid content is skipped with a note,
/// so that a damaged list does not stop the run.
package struct ProxmoxLists: Hashable, Sendable {
  /// The kernel to boot until it is unpinned.
  ///
  /// This kernel and the others here may not be installed.
  package var pin: Kernel?
  /// The kernel to boot once.
  package var nextBootPin: Kernel?
  /// When that pin was set, in nanoseconds since 1970; 0 if there is none.
  package var nextBootPinTime: Int64 = 0
  /// Additional kernels to keep, in the order of the file.
  package var manual: [Kernel] = []
  /// One message for each skipped file or list.
  package var notes: [Message] = []

  package static let pinPath = "/etc/kernel/proxmox-boot-pin"
  package static let nextBootPinPath = "/etc/kernel/next-boot-pin"
  package static let manualPath = "/etc/kernel/proxmox-boot-manual-kernels"
  private static let sizeLimit = 1 << 16

  /// Empty lists.
  package init() {}

  /// Reads the lists of the host; missing files are ignored.
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
      // In Swift, a carriage return and a line feed are one character.
      return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    } catch {
      notes.append("\(error); skipped")
      return nil
    }
  }

  private mutating func kernels(_ lines: some Collection<Substring>, _ path: String) -> [Kernel] {
    var kernels: [Kernel] = []
    var seen: Set<Kernel> = []
    var invalid: [Int] = []
    for (index, line) in lines.enumerated() {
      let text = Self.trimmed(line)
      if text.isEmpty { continue }
      guard let kernel = Kernel(release: text) else {
        invalid.append(index + 1)
        continue
      }
      if seen.insert(kernel).inserted { kernels.append(kernel) }
    }
    if let first = invalid.first {
      let others = invalid.count - 1
      notes.append(
        others > 0
          ? "\(path), line \(first): not a kernel release; skipped, as are \(others) lines after it"
          : "\(path), line \(first): not a kernel release; skipped")
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
