// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import HostSystem
internal import Messages

extension LoaderFiles {
  /// The files in the order in which they are to be written: what is started before what starts it. `first` is the
  /// image that is to boot first.
  private func files(first: ImageName) -> [(path: String, source: Source)] {
    var files: [(String, Source)] = []
    if chain.hasSystemdBoot { files.append((paths.systemdBoot, .signed(sources.systemdBoot))) }
    if chain.hasShim {
      files += [(paths.mokManager, .copied(sources.mokManager)), (paths.shim, .copied(sources.shim))]
    }
    guard writesRemovablePath else { return files }
    let start: Source = chain.hasSystemdBoot ? .signed(sources.systemdBoot) : .image(first)
    guard chain.hasShim else { return files + [(paths.removable, start)] }
    return files + [
      (paths.removableSecondStage, start), (paths.removableMokManager, .copied(sources.mokManager)),
      (paths.removable, .copied(sources.shim)),
    ]
  }

  /// Plans for one partition. Writes nothing.
  ///
  /// - Parameters:
  ///   - files: the partition, open for reading.
  ///   - images: those that will be on it, in the order in which they are to boot; without one nothing is planned.
  ///   - pending: those of them that will be written before the steps are carried out, and their sizes in bytes.
  ///   - removed: those that will be gone by then.
  ///   - isPreferred: whether the machine would start our images. If not, what is there may work now and is not
  ///     touched: no boot loader, systemd-boot's default or the removable path.
  package func plan(
    on files: FileSystem, images: [ImageName], pending: [ImageName: Int], removed: Set<ImageName> = [],
    isPreferred: Bool
  ) throws -> Plan {
    var plan = Plan()
    guard let first = images.first else { return plan }
    for (path, source) in self.files(first: first) {
      let isThere = try files.linkStatus(of: path) != nil
      if !isPreferred, isThere || !path.hasPrefix(LoaderPath.directory + "/") { continue }
      if case .image(let name) = source, pending[name] != nil {
        // What is there now is not what it will be.
      } else if try isInPlace(source, at: path, on: files) {
        continue
      }
      plan.steps.append(
        Step(
          path: path, source: source, size: try size(of: source, pending, on: files),
          replaces: isThere))
    }
    if chain.hasShim, writesRemovablePath, isPreferred, try files.exists(paths.removableFallback) {
      plan.notes.append(
        """
        \(files.display(paths.removableFallback)) is what shim starts from the removable path, in place of our \
        image; remove it if it is not needed
        """)
    }
    if chain.hasSystemdBoot, isPreferred {
      let present = Set(try files.list(ImageName.directory) ?? []).subtracting(removed.map(\.fileName))
      let entry = LoaderDefault.text(for: first, among: Array(present.union(images.map(\.fileName))))
      plan.defaultEntry = entry
      try planDefault(entry, on: files, &plan)
    }
    return plan
  }

  private func planDefault(_ entry: String, on files: FileSystem, _ plan: inout Plan) throws {
    let path = LoaderConfiguration.path
    let present = try files.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit)
    let text = LoaderConfiguration.text(present ?? [], withDefault: entry)
    if text != present {
      plan.steps.append(Step(path: path, source: .text(text), size: text.count, replaces: present != nil))
    }
  }

  private func size(of source: Source, _ pending: [ImageName: Int], on files: FileSystem) throws -> Int {
    switch source {
    case .signed(let path): (try program(path).count) + Self.signatureRoom
    case .copied(let path): try program(path).count
    case .image(let name): try pending[name] ?? files.linkStatus(of: name.path)?.size ?? 0
    case .text(let text): text.count
    }
  }

  /// Bytes that a signature takes at most.
  private static let signatureRoom = 16 << 10
}
