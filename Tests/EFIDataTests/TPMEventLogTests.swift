// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import EFIData
import Messages
import TestSupport
import Testing

@Suite struct TPMEventLogTests {
  /// The path of a card's driver, PciRoot(0x0)/Pci(0x2,0x0) with an offset in its ROM.
  private static let card: [UInt8] =
    [0x02, 0x01, 0x0c, 0x00, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0] + [0x01, 0x01, 0x06, 0x00, 0x00, 0x02]
    + [0x04, 0x08, 0x18, 0x00] + [UInt8](repeating: 0, count: 20) + [0x7f, 0xff, 0x04, 0x00]
  /// A file in a firmware volume.
  private static let firmware: [UInt8] =
    [0x04, 0x07, 0x14, 0x00] + [UInt8](repeating: 1, count: 16) + [0x04, 0x06, 0x14, 0x00]
    + [UInt8](repeating: 2, count: 16) + [0x7f, 0xff, 0x04, 0x00]

  private static func image(_ path: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    for number in [0x1000, 0x2000, 0, path.count] { writer.write(UInt64(number)) }
    writer.write(path)
    return writer.bytes
  }

  private static func old(_ register: UInt32, _ type: UInt32, _ data: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(register)
    writer.write(type)
    writer.write([UInt8](repeating: 0, count: 20))
    writer.write(UInt32(data.count))
    writer.write(data)
    return writer.bytes
  }

  private static func new(_ register: UInt32, _ type: UInt32, _ data: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(register)
    writer.write(type)
    writer.write(UInt32(2))
    writer.write(UInt16(4))
    writer.write([UInt8](repeating: 0, count: 20))
    writer.write(UInt16(11))
    writer.write([UInt8](repeating: UInt8(truncatingIfNeeded: data.count), count: 32))
    writer.write(UInt32(data.count))
    writer.write(data)
    return writer.bytes
  }

  /// Platform class, version 2.0, errata, UINTN of 8 bytes, SHA-1 and SHA-256.
  private static let header = old(
    0, 3,
    Array("Spec ID Event03\0".utf8) + [0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0, 4, 0, 20, 0, 11, 0, 32, 0, 0])

  @Test func startedProgramsAreFound() throws {
    let events = [
      Self.new(4, 0x8000_0003, [1]), Self.new(4, 0x8000_0003, [1, 2]), Self.new(4, 0x8000_0007, [1, 2, 3]),
      Self.new(2, 0x8000_0003, [1, 2, 3, 4]),
    ]
    let log = try TPMEventLog(parsing: Self.header + events.joined())
    #expect(log.startedPrograms == Set([1, 2].map { [UInt8](repeating: $0, count: 32) }))
    #expect(try TPMEventLog(parsing: Self.old(4, 0x8000_0003, [1])).startedPrograms.isEmpty)
  }

  @Test func driversOfCardsAreFound() throws {
    let events = [
      Self.new(0, 0x8000_0008, [1]), Self.new(2, 0x8000_0004, Self.image(Self.firmware)),
      Self.new(2, 0x8000_0004, Self.image(Self.card)), Self.new(4, 0x8000_0003, Self.image(Self.card)),
    ]
    let log = try TPMEventLog(parsing: Self.header + events.joined())
    #expect(log.events.map(\.register) == [0, 2, 2, 4])
    #expect(log.cardDrivers.count == 1)
    let runtime = try TPMEventLog(parsing: Self.header + Self.new(2, 0x8000_0005, Self.image(Self.card)))
    #expect(runtime.cardDrivers.count == 1)
  }

  @Test func logsOfTheOldFormAreRead() throws {
    let log = try TPMEventLog(parsing: Self.old(0, 8, [1]) + Self.old(2, 0x8000_0004, Self.image(Self.firmware)))
    #expect(log.events.count == 2 && log.cardDrivers.isEmpty)
    #expect(try TPMEventLog(parsing: []).events.isEmpty)
  }

  @Test func aDriverFromAnUnknownPlaceCountsAsOneOfACard() throws {
    for data in [[], Self.image([0x02, 0x01, 0xff, 0xff]), Array(Self.image(Self.card).dropLast(30))] as [[UInt8]] {
      let log = try TPMEventLog(parsing: Self.header + Self.new(2, 0x8000_0004, data))
      #expect(log.cardDrivers == ["?"])
    }
  }

  @Test func everyTruncationAndDamageIsHandled() {
    let log = Self.header + Self.new(2, 0x8000_0004, Self.image(Self.card)) + Self.new(7, 0x8000_0001, [1, 2, 3])
    let ends = [0, Self.header.count, Self.header.count + Self.new(2, 0, Self.image(Self.card)).count]
    for length in 0..<log.count where !ends.contains(length) {
      #expect(throws: ParseError.self) { try TPMEventLog(parsing: Array(log.prefix(length))) }
    }
    for damaged in Mutations(of: log, count: 1000) { _ = (try? TPMEventLog(parsing: damaged))?.cardDrivers }
  }
}
