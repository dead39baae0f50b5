// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
package import BootEnvironment
package import Messages

/// Plans the boot loaders of one ESP.
package struct LoaderPlanner {
  let programs: LoaderPrograms
  let state: LoaderState
  let contents: ESPContents
  /// The UKIs that will be written before the boot loaders, and their sizes in bytes.
  let pending: [UKIName: Int]
  /// The UKIs that will have been removed by then.
  let removed: Set<UKIName>
  /// Whether the machine accepts pve-sb-uki's UKIs.
  ///
  /// If not, existing boot loaders, systemd-boot's default and the removable path are left unchanged: they may work
  /// now.
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

  /// The files to write, in order, and the resulting default in systemd-boot's settings; nil if pve-sb-uki does not set
  /// it.
  ///
  /// `images` are those that will be on the ESP, in boot order; if there are none, nothing is planned. Throws if the
  /// settings cannot be read.
  package func plan(_ images: [UKIName]) throws(Failure) -> (steps: [LoaderStep], defaultEntry: String?) {
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
    let entry = LoaderDefault.text(for: first, among: present.union(images.map(\.fileName)).sorted())
    let configuration = try state.configuration.get()
    let text = LoaderConfiguration.text(configuration ?? [], withDefault: entry)
    if text != configuration {
      steps.append(
        LoaderStep(
          path: LoaderConfiguration.path, source: .settings(defaultEntry: entry), size: text.count,
          replaces: configuration != nil))
    }
    return (steps, entry)
  }

  /// Notes about foreign files.
  package func notes(_ images: [UKIName]) -> [Message] {
    guard let fallback = state.fallback, !images.isEmpty, isPreferred else { return [] }
    return [
      """
      shim starts \(fallback) from the removable path instead of pve-sb-uki's UKI; \
      remove it if it is not needed
      """
    ]
  }

  private func isInPlace(_ source: LoaderSource, at path: String) -> Bool {
    // The UKI is about to be replaced.
    if case .image(let name) = source, pending[name] != nil { return false }
    return state.present[path]?.contains(source) == true
  }

  private func size(of source: LoaderSource) -> Int {
    switch source {
    case .signed(let path): (programs.sizes[path] ?? 0) + ImageSigner.signatureRoom
    case .copied(let path): programs.sizes[path] ?? 0
    case .image(let name): pending[name] ?? contents.images.first { $0.name == name }?.size ?? 0
    // The step for settings has the size of the whole text.
    case .settings: 0
    }
  }
}
