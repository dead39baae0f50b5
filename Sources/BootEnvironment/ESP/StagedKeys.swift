// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import SigningKeys

/// Where files for the enrolment of keys are on an ESP.
///
/// `enroll --stage` and `enroll --auto-enroll` write them, and `apply` removes them once the keys are enrolled.
package enum StagedKeys {
  /// For the firmware's menu.
  package static let menuDirectory = LoaderPath.directory
  /// systemd-boot enrols the updates in it (loader.conf(5), `secure-boot-enroll`).
  package static let automaticDirectory = "/loader/keys/auto"
  package static let directories = [menuDirectory, automaticDirectory]

  /// systemd-boot since 255 enrols it before the other updates.
  package static let forbiddenUpdate = "dbx.auth"

  /// All suffixes that pve-sb-uki has ever exported.
  package static let suffixes = [".auth", ".esl", ".cer", ".der", ".crt"]

  /// Whether pve-sb-uki uses that name in the directory.
  package static func isName(_ name: String, in directory: String) -> Bool {
    guard directories.contains(directory), let dot = name.lastIndex(of: "."), suffixes.contains(String(name[dot...]))
    else { return false }
    if directory == automaticDirectory, name == forbiddenUpdate { return true }
    return KeyRole(rawValue: String(name[..<dot])) != nil && (directory == menuDirectory || name.hasSuffix(".auth"))
  }
}

/// What to remove from an ESP after the enrolment.
package struct StagedRemoval: Hashable, Sendable {
  /// Paths of files, in this order.
  package var paths: [String] = []
  /// Whether to end the enrolment without a question in `loader.conf`, see `LoaderConfiguration.forcesEnrolment`.
  package var restoresLoader = false

  package init(paths: [String] = [], restoresLoader: Bool = false) {
    self.paths = paths
    self.restoresLoader = restoresLoader
  }

  package var isEmpty: Bool { paths.isEmpty && !restoresLoader }

  /// Removes the files, and their directories if nothing else is in them.
  ///
  /// First ends the enrolment without a question. Can be repeated after an interruption. Throws `HostError`.
  package func perform(on files: FileSystem) throws {
    if restoresLoader {
      let path = LoaderConfiguration.path
      // Proxmox's hook may have changed the settings since they were observed.
      if let present = try files.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit) {
        try files.replaceFile(path, content: LoaderConfiguration.withoutForcedEnrolment(present))
      }
    }
    for path in paths { try files.remove(path) }
    for directory in Set(paths.map { PathName($0).directory }).sorted() { try Self.removeEmpty(directory, files) }
  }

  /// Removes the directory and, of systemd-boot's, its parent, if they are empty.
  private static func removeEmpty(_ directory: String, _ files: FileSystem) throws {
    guard directory != "/", try files.list(directory)?.isEmpty == true else { return }
    try files.removeDirectory(directory)
    let parent = PathName(directory).directory
    if directory == StagedKeys.automaticDirectory { try removeEmpty(parent, files) }
  }
}
