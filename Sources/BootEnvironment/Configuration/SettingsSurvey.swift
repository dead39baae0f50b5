// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// Everything that a host's settings files assign, in the order in which they are read.
package struct SettingsSurvey: Sendable {
  package struct Assignment: Sendable {
    package var path: String
    package var entry: SettingsFile.Entry
  }

  package let assignments: [Assignment]

  package static let sizeLimit = 1 << 18

  /// Reads the files; those that are missing are ignored.
  ///
  /// `replacement` is taken for the content of `pve-sb-uki.conf` if it is not nil. Throws `BootEnvironmentError` for a
  /// line that is not of the form Key=value, `HostError` if a file cannot be read.
  package init(of files: FileSystem, replacement: [UInt8]? = nil) throws {
    let main = try replacement ?? files.readFileIfPresent(Configuration.path, limit: Self.sizeLimit)
    var assignments = try main.map { try Self.assignments($0, Configuration.path) } ?? []
    for name in try files.list(Configuration.directory) ?? [] where name.hasSuffix(".conf") && !name.hasPrefix(".") {
      let path = "\(Configuration.directory)/\(name)"
      guard let content = try files.readFileIfPresent(path, limit: Self.sizeLimit) else { continue }
      assignments += try Self.assignments(content, path)
    }
    self.assignments = assignments
  }

  private static func assignments(_ content: [UInt8], _ path: String) throws -> [Assignment] {
    try SettingsFile(parsing: content, path: path).entries.map { Assignment(path: path, entry: $0) }
  }

  /// The settings in use; throws `BootEnvironmentError` for an unknown key or an invalid value.
  package var configuration: Configuration { get throws { try Configuration(assignments) } }

  /// The assignment of `key` that counts; nil if there is none.
  package func last(_ key: String) -> Assignment? { assignments.last { $0.entry.key == key } }
}
