// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
internal import InitialRAMDisk
internal import Messages
package import PortableExecutable
package import UnifiedKernelImage

/// The bytes of a UKI by part, and what its initrd spends its own on.
package struct ImageUsage: Hashable, Sendable {
  /// A vendor of x86 processors, by the name in cpuid(4) and of its file of microcode.
  package enum Vendor: String, CaseIterable, Sendable {
    case amd = "AuthenticAMD"
    case intel = "GenuineIntel"
  }

  /// Microcode counts as such also if it precedes the initrd in its section, as Debian's packages place it.
  package private(set) var sizes = ImageSizes()
  /// Bytes of microcode.
  package private(set) var microcode: [Vendor: Int] = [:]
  /// How the initrd is compressed, such as `Zstandard`; nil if it is not.
  package private(set) var compression: String?
  /// Bytes of the initrd's compressed archives; nil unless all of it was read.
  package private(set) var compressed: Int?
  /// Bytes of the files in the initrd without microcode, unpacked; 0 unless all of it was read.
  package private(set) var unpacked = 0
  /// Those of `unpacked` in kernel modules and firmware.
  package private(set) var hardware = 0

  package init() {}

  /// Reads the headers and the uncompressed start of the initrd.
  ///
  /// An invalid initrd has no compression and no microcode. Throws what reading `source` throws.
  package init(of header: PEHeader, in source: any RandomAccessBytes) throws {
    var usage = Self(of: header)
    do {
      let segments = try InitialRAMDisk(Self.initrd(of: header, in: source)).forEachLeadingMember { usage.add($0) }
      usage.finish(segments, isComplete: false)
      self = usage
    } catch is ParseError {
      self.init(of: header)
    }
  }

  /// The sizes alone.
  init(of header: PEHeader) { sizes = ImageSizes(of: header) }

  /// The same for another UKI with this microcode and initrd.
  func withSizes(of header: PEHeader) -> ImageUsage {
    var usage = self
    usage.sizes = ImageSizes(of: header)
    usage.sizes.setMicrocode(microcode.values.reduce(0, +))
    return usage
  }

  /// The microcode and the initrd as the kernel gets them; of several profiles, those of the base.
  static func initrd(of header: PEHeader, in source: any RandomAccessBytes) -> JoinedBytes {
    let parts = [SectionName.microcode, SectionName.initrd].compactMap { header.section(named: $0)?.contentRange }
    return JoinedBytes(source, parts, alignment: 4)
  }

  private static let microcodeDirectory = "kernel/x86/microcode/"
  private static let hardwareDirectories = ["lib/modules/", "lib/firmware/"]

  /// Counts a member of the initrd.
  mutating func add(_ member: RAMDiskMember) {
    guard !member.isDirectory, !member.isSymbolicLink else { return }
    var path = InitrdContents.normalized(member.name)
    if path.hasPrefix(Self.microcodeDirectory) {
      let vendor = Vendor.allCases.first { path == "\(Self.microcodeDirectory)\($0.rawValue).bin" }
      if let vendor { microcode[vendor, default: 0] += member.size }
      return
    }
    if path.hasPrefix("usr/") { path = path.dropFirst(4) }
    unpacked += member.size
    if Self.hardwareDirectories.contains(where: { path.hasPrefix($0) }) { hardware += member.size }
  }

  /// Adds what the segments say, after all members.
  mutating func finish(_ segments: [InitialRAMDisk.Segment], isComplete: Bool) {
    sizes.setMicrocode(microcode.values.reduce(0, +))
    let packed = segments.filter { $0.compressionName != nil }
    compression = packed.max { $0.end - $0.start < $1.end - $1.start }?.compressionName
    if isComplete { compressed = packed.reduce(0) { $0 + $1.end - $1.start } } else { (unpacked, hardware) = (0, 0) }
  }
}

// Three lines of `StartupRecord`:
//
//     size TOTAL KERNEL INITRD MICROCODE SPLASH
//     microcode AMD INTEL
//     content COMPRESSED|- UNPACKED HARDWARE [COMPRESSION]
extension ImageUsage {
  private static let recorded: [ImageSizes.Part] = [.kernel, .initrd, .microcode, .splash]

  var lines: [String] {
    let parts = [sizes.total] + Self.recorded.map { sizes[$0] }
    let vendors = Vendor.allCases.map { microcode[$0] ?? 0 }
    return [
      "size \(Self.words(parts))", "microcode \(Self.words(vendors))",
      "content \(compressed.map { "\($0)" } ?? "-") \(unpacked) \(hardware)" + (compression.map { " \($0)" } ?? ""),
    ]
  }

  private static func words(_ numbers: [Int]) -> String { numbers.map { "\($0)" }.joined(separator: " ") }

  /// Nil unless the lines are those of `lines`, without their keywords.
  package init?(size: String, microcode: String, content: String) {
    let names = content.split(separator: " ", maxSplits: 3)
    guard let sizes = Self.numbers(size), sizes.count == 1 + Self.recorded.count,
      let vendors = Self.numbers(microcode), vendors.count == Vendor.allCases.count, names.count >= 3,
      let files = Self.numbers("\(names[1]) \(names[2])")
    else { return nil }
    self.sizes = ImageSizes(
      total: sizes[0], Dictionary(uniqueKeysWithValues: zip(Self.recorded, sizes.dropFirst())))
    self.microcode = Dictionary(uniqueKeysWithValues: zip(Vendor.allCases, vendors)).filter { $0.value > 0 }
    if names[0] != "-" {
      guard let bytes = Self.numbers(String(names[0])) else { return nil }
      compressed = bytes[0]
    }
    (unpacked, hardware) = (files[0], files[1])
    compression = names.count > 3 ? String(names[3]) : nil
  }

  /// The numbers from 0 to 1 PiB in a text; nil if one is not, so that sums cannot overflow.
  private static func numbers(_ text: String) -> [Int]? {
    let numbers = text.split(separator: " ").map { Int($0).flatMap { 0...1 << 50 ~= $0 ? $0 : nil } }
    return numbers.isEmpty || numbers.contains(nil) ? nil : numbers.compactMap { $0 }
  }
}
