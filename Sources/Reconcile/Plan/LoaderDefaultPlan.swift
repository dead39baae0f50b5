// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages
internal import SecureBoot

/// systemd-boot's default in the EFI variable (see `LoaderDefault`), and where a foreign default leads.
struct LoaderDefaultObservation: Sendable {
  /// The text of `LoaderEntryDefault`; nil if it is not set.
  let variable: String?
  let record: LoaderDefaultRecord
  /// Where a default that pve-sb-uki did not set leads, by ESP; empty if Secure Boot rejects nothing.
  private var targets: [String: Target] = [:]

  /// Where the default leads on one ESP.
  fileprivate struct Target: Sendable {
    /// The names in `EFI/Linux`.
    let unifiedNames: [String]
    /// Whether the machine starts the UKI that the default selects.
    let isUnifiedStarted: Bool
    /// The type 1 entry that the default selects, in lower case, and whether the machine starts it; nil if it selects
    /// none.
    let entry: (name: String, isStarted: Bool)?
  }

  /// Reads the variable and finds out where it leads.
  ///
  /// UKIs in `trusted`, by ESP, are not read for that.
  ///
  /// Nil if systemd-boot is not in the chain, the machine rejects pve-sb-uki's UKIs, or there are no EFI variables.
  init?(
    of host: Host, decision: ChainDecision, open: OpenESPs, trusted: [String: Set<String>], options: ApplyOptions
  ) {
    let store = host.variables
    guard decision.chain.hasSystemdBoot, decision.trust.isAccepted, (try? store.isPresent) == true else { return nil }
    record = LoaderDefaultRecord.load(from: host.files)
    variable = LoaderDefault.variable(in: store)
    guard let text = variable, !record.isOurs(text), !options.takesOverDefault, decision.evaluation.database.isEnforced
    else { return }
    for (esp, images) in trusted {
      if let files = open.files(of: esp) {
        targets[esp] = Target(of: text, on: files, trusted: images, decision: decision)
      }
    }
  }

  /// Checks a default set by the administrator, which is kept.
  ///
  /// Returns a failure if it leads to something that Secure Boot rejects, otherwise a note.
  func check(_ text: String, _ esps: [ESPPlan]) -> (failure: Failure?, note: Message?) {
    for esp in esps {
      guard let target = targets[esp.name] else { continue }
      let images = Set(esp.images.outcome.map { $0.fileName.lowercased() })
      // systemd-boot sorts UKIs before entries without a sort key, such as Proxmox's.
      if let choice = LoaderDefault.choice(of: text, among: target.unifiedNames + images) {
        if images.contains(choice) || target.isUnifiedStarted { continue }
        return (Self.failure(text, choosing: choice, on: esp.name), nil)
      }
      if let entry = target.entry, !entry.isStarted {
        return (Self.failure(text, choosing: entry.name, on: esp.name), nil)
      }
    }
    return (
      nil,
      """
      systemd-boot's default is \(text), set in its menu or with bootctl; to restore pve-sb-uki's, run \
      'pve-sb-uki boot prefer --none'
      """
    )
  }

  private static func failure(_ text: String, choosing choice: String, on esp: String) -> Failure {
    Failure(
      """
      systemd-boot starts \(choice) on \(esp), which Secure Boot rejects; its default was set to \
      \(text) in its menu or with bootctl
      """, hint: "pve-sb-uki boot prefer --none")
  }
}

extension LoaderDefaultObservation.Target {
  init(of text: String, on files: FileSystem, trusted: Set<String>, decision: ChainDecision) {
    let unified = (try? files.list(UKIName.directory)) ?? []
    func isStarted(_ path: String) -> Bool {
      (try? files.openFile(path)).map { decision.evaluation.accepts($0, via: decision.route) } ?? false
    }
    let choice = LoaderDefault.choice(of: text, among: unified)
    let name = choice.flatMap { choice in unified.first { $0.lowercased() == choice } }
    unifiedNames = unified
    isUnifiedStarted =
      name.map { trusted.contains($0.lowercased()) || isStarted("\(UKIName.directory)/\($0)") } ?? false
    // UKIs come first, so an entry only matters if the default selects no UKI.
    entry = choice == nil ? Self.entry(text, files).map { ($0.name, isStarted($0.program)) } : nil
  }

  private static func entry(_ text: String, _ files: FileSystem) -> (name: String, program: String)? {
    let names = (try? files.list(TypeOneEntry.directory)) ?? []
    guard let choice = LoaderDefault.choice(of: text, among: names),
      let name = names.first(where: { $0.lowercased() == choice })
    else { return nil }
    let path = "\(TypeOneEntry.directory)/\(name)"
    let content = (try? files.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit)).flatMap { $0 }
    return content.flatMap { TypeOneEntry(parsing: $0, path: path) }.map { (choice, $0.program) }
  }
}

/// The change to `LoaderEntryDefault`, see `LoaderDefault`.
struct LoaderDefaultPlan: Sendable {
  /// Set first, if the current default names a UKI that will be removed.
  private(set) var interim: String?
  /// Set at the end; nil if it is already set, or if the administrator has set another default.
  private(set) var text: String?
  /// The record of pve-sb-uki's defaults after the change.
  private(set) var record: LoaderDefaultRecord

  /// Keeps the administrator's default.
  init(keeping found: LoaderDefaultObservation, _ esps: [ESPPlan], isChosen: Bool) {
    record = found.record
    record.defaults = Self.defaults(esps)
    record.isChosen = isChosen
  }

  init(replacing found: LoaderDefaultObservation, _ esps: [ESPPlan], isChosen: Bool) {
    self.init(keeping: found, esps, isChosen: isChosen)
    let defaults = esps.compactMap(\.defaultEntry)
    guard let first = defaults.first else { return }
    // If different UKIs boot first on the ESPs, use the pattern, which matches a UKI on each.
    let wanted = defaults.allSatisfy { $0 == first } ? first : LoaderDefault.pattern
    if found.variable?.lowercased() != wanted.lowercased() {
      text = wanted
      record.variables = [found.variable, wanted].compactMap { $0 }.filter { $0 != LoaderDefault.pattern }
    }
    if let present = found.variable, present != LoaderDefault.pattern, Self.isRemoved(present, esps) {
      interim = LoaderDefault.pattern
    }
  }

  private static func defaults(_ esps: [ESPPlan]) -> [String: String] {
    Dictionary(uniqueKeysWithValues: esps.compactMap { esp in esp.defaultEntry.map { (esp.name, $0) } })
  }

  private static func isRemoved(_ text: String, _ esps: [ESPPlan]) -> Bool {
    esps.contains { esp in
      esp.images.steps.contains { step in
        if case .remove(let name, _) = step { name.fileName.lowercased() == text.lowercased() } else { false }
      }
    }
  }

  static func message(_ text: String) -> Message { "set systemd-boot's default to \(text) (LoaderEntryDefault)" }
}
