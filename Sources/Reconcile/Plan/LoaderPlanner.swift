// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BootEnvironment
package import Messages

/// Works out which boot loaders are to be written to one ESP.
package struct LoaderPlanner {
  let programs: LoaderPrograms
  let state: LoaderState
  let contents: ESPContents
  /// The images that will be written before the boot loaders, and their sizes in bytes.
  let pending: [UKIName: Int]
  /// Those that will be gone by then.
  let removed: Set<UKIName>
  /// Whether the machine would start our images.
  ///
  /// If not, what is there may work now and is not touched: no boot loader, systemd-boot's default or the removable
  /// path.
  let isPreferred: Bool

  package init(
    programs: LoaderPrograms, state: LoaderState, contents: ESPContents, pending: [UKIName: Int] = [:],
    removed: Set<UKIName> = [], isPreferred: Bool
  ) {
    self.programs = programs
    self.state = state
    self.contents = contents
    self.pending = pending
    self.removed = removed
    self.isPreferred = isPreferred
  }

  /// What is to be written, in this order, and what systemd-boot's settings then name as default; nil where they are none
  /// of ours.
  ///
  /// `images` are those that will be on the ESP, in the order in which they are to boot; without one nothing is planned.
  package func plan(_ images: [UKIName]) -> (steps: [LoaderStep], defaultEntry: String?) {
    guard let first = images.first else { return ([], nil) }
    var steps: [LoaderStep] = []
    for (path, source) in programs.files(first: first) {
      let isThere = state.present[path] != nil
      if !isPreferred, isThere || !path.hasPrefix(LoaderPath.directory + "/") { continue }
      if isInPlace(source, at: path) { continue }
      steps.append(LoaderStep(path: path, source: source, size: size(of: source), replaces: isThere))
    }
    guard programs.chain.hasSystemdBoot, isPreferred else { return (steps, nil) }
    let present = Set(state.unifiedNames).subtracting(removed.map(\.fileName))
    let entry = LoaderDefault.text(for: first, among: Array(present.union(images.map(\.fileName))))
    let text = LoaderConfiguration.text(state.configuration ?? [], withDefault: entry)
    if text != state.configuration {
      steps.append(
        LoaderStep(
          path: LoaderConfiguration.path, source: .text(text), size: text.count, replaces: state.configuration != nil))
    }
    return (steps, entry)
  }

  /// What is to be said about files of others.
  package func notes(_ images: [UKIName]) -> [Message] {
    guard let fallback = state.fallback, !images.isEmpty, isPreferred else { return [] }
    return [
      """
      \(fallback) is what shim starts from the removable path, in place of our \
      image; remove it if it is not needed
      """
    ]
  }

  private func isInPlace(_ source: LoaderSource, at path: String) -> Bool {
    // What is there now is not what it will be.
    if case .image(let name) = source, pending[name] != nil { return false }
    return state.present[path]?.contains(source) == true
  }

  private func size(of source: LoaderSource) -> Int {
    switch source {
    case .signed(let path): (programs.sizes[path] ?? 0) + ImageSigner.signatureRoom
    case .copied(let path): programs.sizes[path] ?? 0
    case .image(let name): pending[name] ?? contents.images.first { $0.name == name }?.size ?? 0
    case .text(let text): text.count
    }
  }
}
