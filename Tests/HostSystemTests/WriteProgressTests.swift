// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct WriteProgressTests {
  private let directory: TemporaryDirectory
  private let messages = Guarded<[String]>([])
  init() throws { directory = try TemporaryDirectory() }

  /// A host whose clock moves by `seconds` at each look.
  private func host(_ seconds: Int64, isWatched: Bool = true) throws -> Host {
    let clock = Guarded<Int64>(1000)
    var host = try directory.host()
    host.isWatched = isWatched
    host.now = {
      clock.withLock { now in
        now += seconds
        return now
      }
    }
    host.progress = { [messages] step in messages.withLock { $0.append(step.description) } }
    return host
  }

  /// Writes 20 MiB in pieces of 256 KiB and returns what was shown.
  private func write(on host: Host) throws -> [String] {
    let progress = WriteProgress(of: "1111-AAA1: pve.efi", total: 20 << 20, on: host)
    let piece = [UInt8](repeating: 7, count: 256 << 10)
    try host.files.replaceFile("/esp.efi", progress: progress, verify: { #expect($0.count == 20 << 20) }) { file in
      for _ in 0..<80 { try file.write(piece) }
    }
    #expect(try directory.read("esp.efi")?.count == 20 << 20)
    return messages.withLock { $0 }
  }

  /// Once for each second, and only of bytes that are on the medium.
  @Test func aSlowWriteTellsHowFarItIs() throws {
    let shown = try write(on: host(1))
    #expect(shown.count == 20 && shown.first == "1111-AAA1: pve.efi: 0 % of 21 MB written, 0.0 MB/s")
    #expect(shown.contains("1111-AAA1: pve.efi: 60 % of 21 MB written, 0.6 MB/s"))
    #expect(shown.last == "1111-AAA1: pve.efi: reading back 21 MB")
  }

  @Test func aFastWriteOnlyTellsThatItIsReadBack() throws {
    #expect(try write(on: host(0)) == ["1111-AAA1: pve.efi: reading back 21 MB"])
  }

  @Test func withoutAPersonNothingIsSaid() throws {
    #expect(try write(on: host(1, isWatched: false)).isEmpty)
  }
}
