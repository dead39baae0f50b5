// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// The open ESPs of one observation or execution: any number for reading, at most one for writing.
///
/// So a power cut leaves at most one ESP that was not unmounted cleanly.
final class OpenESPs {
  private let host: Host
  private var esps: [String: ESP]
  private var files: [String: FileSystem] = [:]

  init(_ host: Host, _ esps: [ESP]) {
    self.host = host
    self.esps = Dictionary(uniqueKeysWithValues: esps.map { ($0.name, $0) })
  }

  /// The files of an ESP, open for reading.
  ///
  /// Throws `HostError` if it cannot be opened.
  func openForReading(_ esp: ESP) throws -> FileSystem {
    if let opened = files[esp.name] { return opened }
    let opened = try esp.open(on: host, for: .reading).remembering(with: host.files)
    files[esp.name] = opened
    return opened
  }

  /// The files of the ESP with that name; nil if it cannot be opened.
  func files(of name: String) -> FileSystem? { esps[name].flatMap { try? openForReading($0) } }

  /// Opens an ESP for writing and passes its files to `body`.
  ///
  /// Afterwards it is unmounted, and all data is on disk.
  ///
  /// `body` must not keep the files. Throws `HostError` and the errors of `body`.
  func write<Value>(to esp: ESP, _ body: (FileSystem) throws -> Value) throws -> Value {
    // It cannot be mounted for writing while it is mounted for reading.
    files[esp.name] = nil
    let opened = try esp.open(on: host, for: .writing)
    files[esp.name] = opened
    defer { files[esp.name] = nil }
    return try body(opened)
  }
}
