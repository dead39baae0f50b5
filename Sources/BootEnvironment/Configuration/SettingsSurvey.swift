// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// All assignments in a host's settings files, in the order in which they are read.
package struct SettingsSurvey: Sendable {
  package struct Assignment: Sendable {
    package var path: String
    package var entry: SettingsFile.Entry
  }

  package let assignments: [Assignment]

  package static let sizeLimit = 1 << 18

  /// Reads the files; missing files are ignored.
  ///
  /// If `replacement` is not nil, it is used instead of the content of `pve-sb-uki.conf`. Throws `BootEnvironmentError`
  /// for a line that is not `Key=value`, `HostError` if a file cannot be read.
  package init(of files: FileSystem, replacement: [UInt8]? = nil) throws {
    var path = Configuration.path
    var main = try replacement ?? files.readFileIfPresent(path, limit: Self.sizeLimit)
    if main == nil {
      // Between preinst and postinst of an upgrade, the package's old conffile has this name.
      path += ".dpkg-remove"
      main = try files.readFileIfPresent(path, limit: Self.sizeLimit)
    }
    var assignments = try main.map { try Self.assignments($0, path) } ?? []
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

  /// The configuration with the assignments of these keys alone; throws `BootEnvironmentError` for an invalid value.
  package func configuration(of keys: String...) throws -> Configuration {
    try Configuration(assignments.filter { keys.contains($0.entry.key) })
  }

  /// The last assignment of `key`, which takes effect; nil if there is none.
  package func last(_ key: String) -> Assignment? { assignments.last { $0.entry.key == key } }
}
