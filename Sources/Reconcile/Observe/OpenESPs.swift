// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem

/// The ESPs of one observation or execution: any number is open for reading, and at most one for writing.
///
/// A power cut then leaves at most one that was not unmounted.
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
    let opened = try esp.open(on: host, for: .reading)
    files[esp.name] = opened
    return opened
  }

  /// The same for an ESP of that name; nil if it cannot be opened.
  func files(of name: String) -> FileSystem? { esps[name].flatMap { try? openForReading($0) } }

  /// Has `body` write to an ESP, which is unmounted and on disk when it returns.
  ///
  /// `body` must not keep its files.
  func write<Value>(to esp: ESP, _ body: (FileSystem) throws -> Value) throws -> Value {
    // A mount for reading would be in the way of one for writing.
    files[esp.name] = nil
    let opened = try esp.open(on: host, for: .writing)
    files[esp.name] = opened
    defer { files[esp.name] = nil }
    return try body(opened)
  }
}
