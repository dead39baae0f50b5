// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import PortableExecutable

/// Reads the state of an ESP: with stat(2) for files known to the manifest, otherwise by reading the file.
struct ESPReader: ~Copyable {
  let esp: ESP
  /// Its files, open for reading.
  let files: FileSystem
  /// The current certificate; nil if it cannot be read.
  let certificate: Certificate?
  let paths: LoaderPath
  /// Releases of the kernels in `/boot`, whose UKIs are always examined.
  let installed: Set<String>

  /// The number of other files that are opened if the manifest does not have them; there could be thousands.
  static let countLimit = 256

  /// Reads the ESP.
  ///
  /// Updates the manifest where a file turns out to match it, or not to match it. Throws `HostError`.
  func read(_ manifest: inout Manifest) throws -> ESPContents {
    var contents = ESPContents(images: [], free: try files.availableSpace(at: "/"))
    var budget = Self.countLimit
    for (fileName, status) in try files.listWithStatus(UKIName.directory) ?? [] where status.kind == .regular {
      let path = "\(UKIName.directory)/\(fileName)"
      if fileName.hasPrefix(".pve-"), TemporaryName.matches(fileName) {
        contents.leftovers.append(ESPContents.Leftover(path: path, size: status.size))
      } else if let name = UKIName(fileName: fileName) {
        let content = try recognize(name, status: status, manifest: &manifest, budget: &budget)
        if case .recorded = content {} else { forget(name, &manifest) }
        contents.images.append(PresentImage(name, size: status.size, content: content))
      }
    }
    for path in paths.all + [LoaderConfiguration.path] { try addLeftovers(of: path, to: &contents) }
    try addRecovered(manifest, to: &contents)
    let keyFiles = KeyFileSurvey(of: files)
    contents.keyRemovals = keyFiles.removals
    contents.staged = keyFiles.staged
    let present = Set(contents.images.map(\.name))
    for image in manifest.images {
      for copy in image.copies where copy.esp == esp.name && !present.contains(copy.name) {
        manifest.remove(copy.name, on: esp.name)
      }
    }
    contents.unexaminedCount = max(0, -budget)
    return contents
  }

  private func forget(_ name: UKIName, _ manifest: inout Manifest) {
    if manifest.image(on: esp.name, name) != nil { manifest.remove(name, on: esp.name) }
  }

  /// Adds temporary files of `path` left by an interrupted write.
  private func addLeftovers(of path: String, to contents: inout ESPContents) throws {
    let file = PathName(path)
    let directory = file.directory
    for name in try files.list(directory) ?? [] where TemporaryName.matches(name) {
      guard name.hasPrefix(".\(file.fileName)."),
        let status = try files.linkStatus(of: "\(directory)/\(name)"), status.kind == .regular
      else { continue }
      contents.leftovers.append(ESPContents.Leftover(path: "\(directory)/\(name)", size: status.size))
    }
  }

  /// Adds the files that fsck.vfat created from lost clusters.
  ///
  /// Those that are pve-sb-uki's UKIs are treated as leftovers.
  private func addRecovered(_ manifest: Manifest, to contents: inout ESPContents) throws {
    for name in try files.list("/") ?? [] where ESP.isRecovered(name) {
      guard let status = try files.linkStatus(of: "/\(name)"), status.kind == .regular else { continue }
      let leftover = ESPContents.Leftover(path: "/\(name)", size: status.size)
      let isOurs = (try? files.openFile("/\(name)")).map { file in
        isSigned(file) || (try? manifest.image(of: file)).flatMap { $0 } != nil
      }
      if isOurs == true { contents.leftovers.append(leftover) } else { contents.recovered.append(leftover) }
    }
  }

  /// `budget` is the number of files that may still be opened; negative if some were not.
  private func recognize(
    _ name: UKIName, status: FileStatus, manifest: inout Manifest, budget: inout Int
  ) throws -> PresentImage.Content {
    if let image = manifest.image(on: esp.name, name), image.size == status.size,
      image.copy(on: esp.name, name)?.modified == status.modified
    {
      return .recorded(digest: image.digest, booted: image.booted)
    }
    if !installed.contains(name.kernel.release) {
      budget -= 1
      if budget < 0 { return .unknown }
    }
    let file = try files.openFile(name.path)
    if let image = try manifest.image(of: file) {
      let copy = ImageRecord.Copy(esp: esp.name, name: name, modified: file.status.modified)
      manifest.place(image, at: [copy])
      return .recorded(digest: image.digest, booted: image.booted)
    }
    return isSigned(file) ? .signed : .unknown
  }

  /// Whether it is intact and signed with the current certificate.
  ///
  /// False if it cannot be read.
  private func isSigned(_ file: File) -> Bool {
    guard let certificate, let image = try? SignedImage(parsing: file),
      // This cheap check avoids reading most foreign files in full in each run.
      image.table.entries.contains(where: { entry in
        (try? AuthenticodeSignature(parsing: entry))?.message.signers.contains(certificate) == true
      }), let signatures = try? image.signatures(in: file)
    else { return false }
    return signatures.contains { $0.verdict == .valid && $0.signature?.message.signers == [certificate] }
  }
}
