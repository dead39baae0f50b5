// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import HostSystem
package import Messages

/// How long the start of the running system took, up to its kernel.
///
/// There are two sources, and what they mean depends on the first program:
///
/// | started by the firmware | Firmware Performance Data Table | systemd-boot's variables |
/// |---|---|---|
/// | a UKI | loading and start of the UKI | not set |
/// | systemd-boot | loading and start of systemd-boot | its start, and that of the UKI it has loaded |
/// | shim or another loader | loading and start of that program | as above, if it starts systemd-boot |
///
/// The table (ACPI 6.5 section 5.2.24) is in /sys/firmware/acpi/fpdt since Linux 5.12, if the firmware has one. EDK2 notes
/// the time of loading after it has read the file and before it checks the signature, so loading a UKI takes at least the
/// time between this and its start. The variables have the same format as in the Boot Loader Interface
/// (systemd.io/BOOT_LOADER_INTERFACE). All times count from the reset of the processor.
package struct BootTimes: Hashable, Sendable {
  /// The program whose start ends the firmware's own time: systemd-boot also if shim has started it.
  package enum Program: String, Sendable {
    case uki = "uki"
    case systemdBoot = "systemd-boot"
    case other = "other"
  }

  package var program: Program
  /// Microseconds from the reset to the start of `program`; nil if unknown.
  package var firmware: Int?
  /// Microseconds for loading the UKI; nil if unknown.
  ///
  /// Of `uki` it is a part of `firmware`, and without reading the file on some firmware. Of `systemdBoot` it follows
  /// `firmware`, and is all that systemd-boot has done.
  package var loading: Int?
  /// Microseconds from the reset until the kernel has taken over; nil if unknown.
  package var kernel: Int?
  /// Whether systemd-boot has shown its menu, so that `loading` includes waiting for a person.
  package var hasMenu = false

  package init(program: Program, firmware: Int? = nil, loading: Int? = nil, kernel: Int? = nil, hasMenu: Bool = false) {
    self.program = program
    self.firmware = firmware
    self.loading = loading
    self.kernel = kernel
    self.hasMenu = hasMenu
  }

  /// The times, or nil if nothing is measured, and why some values are ignored.
  package static func read(from host: Host) -> (times: BootTimes?, ignored: [Message]) {
    guard let evidence = (try? BootEvidence(of: host)).flatMap({ $0 }) else { return (nil, []) }
    var counters = Counters(host)
    let times = counters.times(evidence)
    return (times, counters.ignored)
  }

  /// The longest time that is believed, in microseconds: one hour.
  ///
  /// A processor that was not reset goes on counting, for example in a virtual machine.
  package static let limit = 3_600_000_000

  /// A time as systemd-boot writes it: up to 18 decimal digits in UTF-16, in microseconds; nil for 0, an unknown time.
  ///
  /// Throws `ParseError` for anything else.
  package static func microseconds(parsing data: [UInt8]) throws(ParseError) -> Int? {
    guard let text = EFIText.parse(data) else { throw ParseError("boot time", at: 0, .encoding, "not UTF-16") }
    return try number(text)
  }

  fileprivate static func number(_ text: String) throws(ParseError) -> Int? {
    guard 1...18 ~= text.utf8.count, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
      let number = Int(text)
    else { throw ParseError("boot time", at: 0, .range, "not a number of up to 18 digits") }
    return number > 0 ? number : nil
  }
}

/// Reads the counters, and collects the reasons for which some are ignored.
private struct Counters {
  private static let table = "/sys/firmware/acpi/fpdt/boot"
  private let host: Host
  private(set) var ignored: [Message] = []

  init(_ host: Host) { self.host = host }

  mutating func times(_ evidence: BootEvidence) -> BootTimes? {
    let (load, launch, exit) = (entry("bootloader_load"), entry("bootloader_launch"), entry("exitbootservice_end"))
    var times = BootTimes(program: program(evidence))
    times.kernel = sinceReset(exit, "exitbootservice_end_ns")
    if times.program == .systemdBoot {
      let start = variable(.loaderTimeInit)
      times.firmware = sinceReset(start, EFIVariableName.loaderTimeInit.name)
      times.loading = span(from: start, to: variable(.loaderTimeExec), EFIVariableName.loaderTimeExec.name)
      times.hasMenu = variable(.loaderTimeMenu) != nil
    } else {
      times.firmware = sinceReset(launch, "bootloader_launch_ns")
      if times.program == .uki { times.loading = span(from: load, to: launch, "bootloader_launch_ns") }
    }
    if let kernel = times.kernel, let firmware = times.firmware, kernel < firmware {
      ignored.append("exitbootservice_end_ns is before the start of the first program")
      times.kernel = nil
    }
    return times.firmware ?? times.loading ?? times.kernel == nil ? nil : times
  }

  /// A UKI is the first program only if the booted entry names it: shim starts others, and the file at the removable path
  /// may be anything.
  private func program(_ evidence: BootEvidence) -> BootTimes.Program {
    if evidence.isBySystemdBoot { return .systemdBoot }
    guard evidence.loader == nil, let name = evidence.imageName?.lowercased(), let number = evidence.bootCurrent,
      let content = (try? host.variables.read(EFIVariableName.bootOption(number).fileName)).flatMap({ $0 }),
      let option = try? LoadOption(parsing: EFIVariableContent(parsing: content).data), let file = option.file
    else { return .other }
    return PathName(file.path).fileName.lowercased() == name ? .uki : .other
  }

  /// A time of the table in microseconds; the kernel shows nanoseconds.
  private mutating func entry(_ name: String) -> Int? {
    let path = "\(Self.table)/\(name)_ns"
    guard let text = (try? host.files.readTextIfPresent(path, limit: 4096)).flatMap({ $0 }) else { return nil }
    return value("\(name)_ns") { () throws(ParseError) in
      try BootTimes.number(String(text.prefix { $0 != "\n" })).flatMap { $0 < 1000 ? nil : $0 / 1000 }
    }
  }

  private mutating func variable(_ variable: EFIVariableName) -> Int? {
    guard let content = (try? host.variables.read(variable.fileName)).flatMap({ $0 }) else { return nil }
    return value(variable.name) { () throws(ParseError) in
      try BootTimes.microseconds(parsing: EFIVariableContent(parsing: content).data)
    }
  }

  private mutating func value(_ name: String, _ body: () throws(ParseError) -> Int?) -> Int? {
    do throws(ParseError) {
      return try body()
    } catch {
      ignored.append("\(name): \(error.detail)")
      return nil
    }
  }

  private mutating func sinceReset(_ time: Int?, _ name: String) -> Int? {
    guard let time, time > BootTimes.limit else { return time }
    ignored.append("\(name): more than an hour since the reset")
    return nil
  }

  private mutating func span(from start: Int?, to end: Int?, _ name: String) -> Int? {
    guard let start, let end else { return nil }
    guard end >= start, end - start <= BootTimes.limit else {
      ignored.append("\(name): before the start, or more than an hour after it")
      return nil
    }
    return end - start
  }
}
