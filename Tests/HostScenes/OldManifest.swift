// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import TestSupport

/// The manifest of a host in the formats that earlier versions of pve-sb-uki wrote.
package enum OldManifest {
  /// The text of format 2, 3 or 4 for the UKIs in `manifest`.
  ///
  /// `path` returns where a copy is below the directory.
  package static func text(
    _ format: Int, of manifest: Manifest, in directory: TemporaryDirectory, path: (ImageRecord.Copy) -> String
  ) throws -> String {
    var lines = ["pve-sb-uki manifest \(format)"]
    for image in manifest.images {
      let files = image.copies.map(path)
      lines.append("image \(image.kernel.release) \(image.size) \(try sha256(files.first ?? "", directory))")
      if format > 2, let digest = image.authenticode { lines.append("authenticode \(digest.hexadecimal)") }
      lines.append("booted \(image.booted ?? 0)")
      if format > 3, let boot = image.made { lines.append("made \(boot)") }
      lines.append("cmdline \(image.commandLine)")
      lines.append("certificate \(image.certificate.hexadecimal)")
      for input in image.inputs {
        let digest = try sha256(input.path, directory)
        lines.append("input \(input.size) \(input.modified) \(input.inode) \(digest) \(input.path)")
      }
      for copy in image.copies { lines.append("copy \(copy.modified) \(copy.name.fileName) \(copy.esp)") }
    }
    return lines.joined(separator: "\n") + "\nend\n"
  }

  private static func sha256(_ path: String, _ directory: TemporaryDirectory) throws -> String {
    let result = try ExternalTool("sha256sum").result([directory.path(of: path)])
    return String(result.text.prefix(64))
  }
}
