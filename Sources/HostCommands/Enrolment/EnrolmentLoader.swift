// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// How the host's systemd-boot, which `apply` signs, enrols the keys in `loader/keys/auto`.
///
/// Version 252 only does so from its menu, unless `loader.conf` says `secure-boot-enroll force`. Since 253 it also does
/// so unasked in a virtual machine (`if-safe`). Since 255 it enrols dbx, too.
struct EnrolmentLoader {
  private let version: Int
  private let isVirtual: Bool

  private static let sizeLimit = 4 << 20
  private static let mark = Array("#### LoaderInfo: systemd-boot ".utf8)

  /// A file that cannot be read counts as an old version.
  init(of host: Host) {
    let path = (try? host.machine).map { BootPrograms($0).systemdBoot } ?? ""
    version = (try? host.files.readFile(path, limit: Self.sizeLimit)).flatMap(Self.version) ?? 0
    let processors = (try? host.files.readTextIfPresent("/proc/cpuinfo", limit: 16 << 20)).flatMap { $0 } ?? ""
    let flags = processors.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
    isVirtual = flags.split(separator: " ").contains("hypervisor")
  }

  /// Whether it enrols without `secure-boot-enroll force`.
  var enrolsUnasked: Bool { version >= 253 && isVirtual }
  var enrolsForbidden: Bool { version >= 255 }

  /// The number after the mark in the section .sdmagic.
  private static func version(_ program: [UInt8]) -> Int? {
    let starts = 0..<max(0, program.count - mark.count)
    guard let start = starts.first(where: { program[$0] == mark[0] && program[$0...].starts(with: mark) }) else {
      return nil
    }
    let digits = program[(start + mark.count)...].prefix { (0x30...0x39).contains($0) }
    return Int(String(decoding: digits, as: UTF8.self))
  }
}
