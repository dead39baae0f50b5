// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

/// The kernel command line that goes into images, and which file gave which words of it.
///
/// The base stands in `/etc/kernel/cmdline`, where Proxmox and systemd have it too; without that file the running
/// kernel's line is taken, without what a boot loader put into it. The fragments `/etc/kernel/cmdline.d/*.conf` follow in
/// byte order of their names. For kernel K `/etc/kernel/cmdline-K` takes the place of all of them.
package struct CommandLine: Hashable, Sendable {
  /// The words of one file.
  package struct Part: Hashable, Sendable {
    package let path: String
    /// One line without a control character or white space at either end; empty only if the file holds none.
    package let text: String

    package init(path: String, text: String) {
      self.path = path
      self.text = text
    }
  }

  /// In the order of the words; without those that are empty.
  package let parts: [Part]

  package init(parts: [Part]) { self.parts = parts.filter { !$0.text.isEmpty } }

  /// The line, never empty if it was read from files.
  package var text: String { parts.map(\.text).joined(separator: " ") }
  package var words: [CommandLineWord] { CommandLineWord.split(text) }
  /// Where it begins, or where it would.
  package var path: String { parts.first?.path ?? Self.filePath }

  package static let filePath = "/etc/kernel/cmdline"
  package static let fragmentDirectory = "/etc/kernel/cmdline.d"
  package static let runningPath = "/proc/cmdline"
  package static func overridePath(of kernel: Kernel) -> String { "\(overridePrefix)\(kernel.release)" }
  static let overridePrefix = "\(filePath)-"

  /// Reads the line of kernels that have none of their own. Throws `BootEnvironmentError` if there is none or a file
  /// cannot be part of one, `HostError` if a file cannot be read.
  package init(of files: FileSystem) throws {
    let fragments = try Self.fragments(of: files)
    self.init(parts: [try Self.base(of: files, fragments)] + fragments)
  }

  /// Reads the line of one kernel. Throws as above.
  package init(of files: FileSystem, for kernel: Kernel) throws {
    if let override = try Self.override(for: kernel, in: files) {
      self.init(parts: [override])
    } else {
      try self.init(of: files)
    }
  }
}
