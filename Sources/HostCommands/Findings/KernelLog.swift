// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Findings
package import HostSystem
internal import Messages

/// What the running kernel has said about the signatures of modules (kernel/module/signing.c and
/// security/lockdown/lockdown.c of Linux).
///
/// The buffer keeps only the latest messages, and old kernels do not name the module, so this can miss modules.
package struct KernelLog: Sendable {
  /// A module that the kernel rejected.
  package struct Rejection: Hashable, Sendable {
    /// Nil if the kernel did not say; then a program may be known.
    package var module: String?
    /// The program that wanted to load it.
    package var program: String?
    /// Why, in the kernel's words, such as `unsigned module`.
    package var reason: String

    package init(module: String? = nil, program: String? = nil, reason: String) {
      self.module = module
      self.program = program
      self.reason = reason
    }

    /// As the rest of a list.
    var text: Message {
      if let module { return "\(module) (\(reason))" }
      return program.map { "\(reason), loaded by \($0)" } ?? "\(reason)"
    }
  }

  /// In the order of their first message, without repetitions.
  package private(set) var rejections: [Rejection] = []
  /// Modules that were loaded although their signature is missing or not trusted.
  package private(set) var unverified: [String] = []

  /// Maximum number of modules of each kind, and of characters of a name: anyone who may load modules chooses them.
  private static let countLimit = 32
  private static let lengthLimit = 64

  /// Reads the log; empty without /dev/kmsg.
  ///
  /// Throws `HostError`, also if only root may read it.
  package init(of host: Host) throws { self.init(parsing: try host.files.kernelLog()) }

  /// Parses records `PRIORITY,SEQUENCE,TIME,FLAGS;TEXT`, one per line; continuation lines start with a space.
  ///
  /// Messages that programs have written, and lines of other forms, are ignored.
  package init(parsing log: [UInt8]) {
    for line in ByteLines(log) {
      guard let text = Self.kernelText(of: line) else { continue }
      if let rejection = Self.rejection(text) {
        if rejections.count < Self.countLimit, !rejections.contains(rejection) { rejections.append(rejection) }
      } else if let name = Self.module(in: text, before: Self.unverifiedText) {
        if unverified.count < Self.countLimit, !unverified.contains(name) { unverified.append(name) }
      }
    }
  }

  private static let rejected = " is rejected"
  private static let restricted = ": unsigned module loading is restricted"
  private static let unverifiedText = ": module verification failed: signature and/or required key missing"

  /// The text of a message of the kernel; nil for other lines.
  private static func kernelText(of line: ArraySlice<UInt8>) -> String? {
    guard let end = line.firstIndex(of: UInt8(ascii: ";")) else { return nil }
    let priority = line[..<end].prefix { $0 != UInt8(ascii: ",") }
    // The facility is in the bits above the lowest three, and 0 for the kernel, which programs cannot use.
    guard priority.count < end - line.startIndex, let number = UInt32(String(decoding: priority, as: UTF8.self)),
      number >> 3 == 0
    else { return nil }
    let text = line[(end + 1)...]
    // Cheap check: most lines are about other things.
    guard text.contains(bytes: "odule".utf8) else { return nil }
    return String(decoding: text, as: UTF8.self)
  }

  private static func rejection(_ text: String) -> Rejection? {
    if text.hasSuffix(rejected) {
      let rest = text.dropLast(rejected.count)
      for start in ["Loading of ", "loading of "] {
        if rest.hasPrefix(start) { return Rejection(reason: shortened(rest.dropFirst(start.count))) }
        let marker = ": \(start)"
        if let found = rest.utf8.firstRest(startingWith: marker.utf8) {
          return Rejection(
            module: shortened(rest[..<found.startIndex]), reason: shortened(Substring(found).dropFirst(marker.count)))
        }
      }
      return nil
    }
    let lockdown = "Lockdown: "
    guard text.hasPrefix(lockdown),
      let program = Self.module(in: String(text.dropFirst(lockdown.count)), before: restricted)
    else { return nil }
    return Rejection(program: program, reason: "unsigned module")
  }

  private static func module(in text: String, before marker: String) -> String? {
    text.utf8.firstRest(startingWith: marker.utf8).map { shortened(text[..<$0.startIndex]) }
  }

  private static func shortened(_ text: Substring) -> String {
    text.count > lengthLimit ? text.prefix(lengthLimit) + "…" : String(text)
  }
}

extension KernelLog {
  package var findings: [Finding] {
    var findings: [Finding] = []
    let advice: Finding.Action = .advise(
      "sign it with a key that this kernel trusts; for modules built by dkms, set Dkms=yes and run 'pve-sb-uki apply'")
    if !rejections.isEmpty {
      findings.append(
        Finding(
          .moduleRejected,
          "the running kernel has rejected modules: \(rejections.map(\.text).joined(separator: ", "))",
          arguments: [
            "modules": .array(
              rejections.map {
                .object([
                  "module": JSONValue($0.module), "program": JSONValue($0.program), "reason": .string($0.reason),
                ])
              })
          ], actions: [advice]))
    }
    if !unverified.isEmpty {
      findings.append(
        Finding(
          .moduleUntrusted,
          """
          the running kernel has loaded modules without a trusted signature, and rejects them with Secure Boot on: \
          \(unverified.joined(separator: ", "))
          """,
          arguments: ["modules": JSONValue(unverified)], actions: [advice]))
    }
    return findings
  }
}

/// What the kernel keeps root from changing (kernel_lockdown(7)).
package enum KernelLockdown: String, CaseIterable, Sendable {
  /// Nothing.
  case inactive = "none"
  /// Changes of the kernel, such as unsigned modules. Debian and Proxmox set it if Secure Boot is on.
  case integrity = "integrity"
  /// Also reading secrets of the kernel.
  case confidentiality = "confidentiality"

  private static let path = "/sys/kernel/security/lockdown"

  /// The running kernel's state; nil if it has no lockdown or does not say.
  ///
  /// Throws `HostError`.
  package static func current(on host: Host) throws -> KernelLockdown? {
    try host.files.readTextIfPresent(path, limit: 4096).flatMap { parse($0) }
  }

  /// Parses a line such as `none [integrity] confidentiality`.
  package static func parse(_ text: String) -> KernelLockdown? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let word = words.first(where: { $0.hasPrefix("[") && $0.hasSuffix("]") }) else { return nil }
    return KernelLockdown(rawValue: String(word.dropFirst().dropLast()))
  }
}
