// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages

/// What the firmware has measured into the TPM before the system started (TCG PC Client Platform Firmware Profile,
/// section 10).
///
/// The log starts with an event in the old form, TCG_PCR_EVENT. If that is a `Spec ID Event03`, it lists the digest
/// algorithms of the events that follow, which are in the new form, TCG_PCR_EVENT2. Otherwise all have the old form.
package struct TPMEventLog: Sendable {
  package struct Event: Hashable, Sendable {
    package let register: UInt32
    package let type: UInt32
    /// The SHA-256 digest with which the register was extended; nil if the event has none.
    package let digest: [UInt8]?
    /// What was measured, or a description of it.
    package let data: [UInt8]
  }

  package private(set) var events: [Event] = []

  private static let format = "TPM event log"
  private static let signature = Array("Spec ID Event03\0".utf8)
  private static let noAction: UInt32 = 3
  private static let sha1Size = 20
  /// TPM_ALG_SHA256.
  private static let sha256: UInt16 = 11
  /// More digest algorithms than any TPM has.
  private static let algorithmLimit = 16

  /// Reads the whole log.
  ///
  /// Throws `ParseError` if it is truncated, or if an event has a digest whose size is unknown.
  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var reader = ByteReader(bytes, format: Self.format)
    guard !reader.isAtEnd else { return }
    let first = try Self.oldEvent(&reader)
    guard first.type == Self.noAction, first.data.starts(with: Self.signature) else {
      events.append(first)
      while !reader.isAtEnd { events.append(try Self.oldEvent(&reader)) }
      return
    }
    let sizes = try Self.digestSizes(first.data)
    while !reader.isAtEnd { events.append(try Self.newEvent(&reader, sizes)) }
  }

  private static func oldEvent(_ reader: inout ByteReader) throws(ParseError) -> Event {
    let (register, type): (UInt32, UInt32) = (try reader.read(), try reader.read())
    try reader.skip(sha1Size)
    let size = try reader.readCount(UInt32.self)
    return Event(register: register, type: type, digest: nil, data: Array(try reader.read(count: size)))
  }

  private static func newEvent(
    _ reader: inout ByteReader, _ sizes: [UInt16: Int]
  ) throws(ParseError) -> Event {
    let (register, type): (UInt32, UInt32) = (try reader.read(), try reader.read())
    let start = reader.offset
    let count = try reader.readCount(UInt32.self)
    guard count <= algorithmLimit else {
      throw ParseError(format, at: start, .range, "an event cannot have \(count) digests")
    }
    var digest: [UInt8]?
    for _ in 0..<count {
      let position = reader.offset
      let algorithm: UInt16 = try reader.read()
      guard let size = sizes[algorithm] else {
        throw ParseError(format, at: position, .range, "an event has a digest of the unknown algorithm \(algorithm)")
      }
      let value = try reader.read(count: size)
      if algorithm == sha256, size == 32 { digest = Array(value) }
    }
    let size = try reader.readCount(UInt32.self)
    return Event(register: register, type: type, digest: digest, data: Array(try reader.read(count: size)))
  }

  /// The sizes of digests in bytes, by algorithm, from the first event.
  private static func digestSizes(_ data: [UInt8]) throws(ParseError) -> [UInt16: Int] {
    var reader = ByteReader(data, format: format)
    // The class of the platform, the versions and the size of UINTN.
    try reader.skip(signature.count + 8)
    let start = reader.offset
    let count = try reader.readCount(UInt32.self)
    guard count <= algorithmLimit else {
      throw ParseError(format, at: start, .range, "a log cannot have \(count) digest algorithms")
    }
    var sizes: [UInt16: Int] = [:]
    for _ in 0..<count {
      let algorithm: UInt16 = try reader.read()
      sizes[algorithm] = try reader.readCount(UInt16.self)
    }
    return sizes
  }
}

extension TPMEventLog {
  /// The SHA-256 Authenticode digests of the programs that the firmware has started; empty if the log has none.
  ///
  /// They are measured into PCR 4 as EV_EFI_BOOT_SERVICES_APPLICATION.
  package var startedPrograms: Set<[UInt8]> {
    Set(events.filter { $0.register == 4 && $0.type == 0x8000_0003 }.compactMap(\.digest))
  }
}

extension TPMEventLog {
  /// Option ROMs are measured into this register, and so are drivers in the firmware itself that were loaded late.
  private static let driverRegister: UInt32 = 2
  /// EV_EFI_BOOT_SERVICES_DRIVER and EV_EFI_RUNTIME_SERVICES_DRIVER.
  private static let driverTypes: Set<UInt32> = [0x8000_0004, 0x8000_0005]

  /// The device paths of the drivers that came from plug-in cards, as text.
  ///
  /// A driver whose path cannot be read counts as one of a card.
  package var cardDrivers: [String] {
    events.filter { $0.register == Self.driverRegister && Self.driverTypes.contains($0.type) }.compactMap { event in
      guard let nodes = try? Self.devicePath(of: event.data) else { return "?" }
      return nodes.contains(where: \.isInFirmware) ? nil : nodes.map(\.description).joined(separator: "/")
    }
  }

  /// The device path in an UEFI_IMAGE_LOAD_EVENT: address, length and link address of the image, length of the path.
  private static func devicePath(of data: [UInt8]) throws(ParseError) -> [DevicePathNode] {
    var reader = ByteReader(data, format: format)
    try reader.skip(24)
    var path = try reader.subReader(count: try reader.readCount(UInt64.self))
    var nodes: [DevicePathNode] = []
    while !path.isAtEnd {
      let node = try DevicePathNode(parsing: &path)
      if node.endsPath { break }
      nodes.append(node)
    }
    return nodes
  }
}

extension DevicePathNode {
  /// Whether this is a firmware volume or a file in one (UEFI Platform Initialization, volume 3, section 8.3).
  fileprivate var isInFirmware: Bool { type == 0x04 && (subtype == 0x06 || subtype == 0x07) }
}
