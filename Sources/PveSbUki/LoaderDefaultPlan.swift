// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

/// What systemd-boot is to be told by `LoaderEntryDefault`, see `LoaderDefault`.
struct LoaderDefaultPlan {
  /// Set before anything else is done, where the present text names an image that goes.
  var interim: String?
  /// Set at the end; nil if it is so already, or the administrator's.
  var text: String?
  /// What is ours then.
  var record: LoaderDefaultRecord

  static func message(_ text: String) -> Message { "set systemd-boot's default to \(text) (LoaderEntryDefault)" }
}

extension Planner {
  /// After the boot loaders are planned: each partition knows then what its own default is.
  mutating func planLoaderDefault(_ decision: ChainDecision) {
    let defaults = plan.partitions.compactMap { partition in
      partition.loaders.defaultEntry.map { (partition.name, $0) }
    }
    let store = EFIVariableStore(of: host.files)
    guard decision.chain.hasSystemdBoot, decision.trust.isAccepted, let first = defaults.first?.1,
      (try? store.isPresent) == true
    else { return }
    var record = LoaderDefaultRecord.load(from: host.files)
    let present = LoaderDefault.variable(in: store)
    let isOurs = present.map { record.isOurs($0) || leadsNowhere($0) } ?? true
    record.defaults = Dictionary(uniqueKeysWithValues: defaults)
    var step = LoaderDefaultPlan(record: record)
    if let present, !isOurs, !options.takesOverDefault {
      judge(present)
    } else {
      // A partition whose best image is another one needs the pattern, which leads to something on each.
      let text = defaults.allSatisfy { $0.1 == first } ? first : LoaderDefault.pattern
      if present?.lowercased() != text.lowercased() {
        step.text = text
        step.record.variables = [present, text].compactMap { $0 }.filter { $0 != LoaderDefault.pattern }
      }
      if let present, present != LoaderDefault.pattern, isRemoved(present) { step.interim = LoaderDefault.pattern }
    }
    plan.loaderDefault = step
  }

  /// Whether a name in our name space is on no partition any more.
  private func leadsNowhere(_ text: String) -> Bool {
    guard ImageName(fileName: text) != nil else { return false }
    return !plan.images.values.joined().contains { $0.fileName.lowercased() == text.lowercased() }
  }

  private func isRemoved(_ text: String) -> Bool {
    plan.partitions.contains { partition in
      partition.images.steps.contains { step in
        if case .remove(let name, _) = step { name.fileName.lowercased() == text.lowercased() } else { false }
      }
    }
  }

  /// The administrator's own choice stays. It is a failure only where it leads to what Secure Boot refuses.
  private mutating func judge(_ text: String) {
    let trust = try? Trust(enforcedBy: host)
    for partition in plan.partitions {
      guard let trust, let files = open.files(of: partition.name) else { continue }
      let images = Set(partition.images.images.map { $0.fileName.lowercased() })
      let unified = (try? files.list(ImageName.directory)) ?? []
      let entries = (try? files.list(TypeOneEntry.directory)) ?? []
      // systemd-boot lists unified images before entries that have no sort key, as Proxmox's.
      if let choice = LoaderDefault.choice(of: text, among: unified + images) {
        let path = "\(ImageName.directory)/\(unified.first { $0.lowercased() == choice } ?? choice)"
        if images.contains(choice) || trust.accepts(path, files) { continue }
        return failForDefault(text, choice, partition.name)
      }
      guard let choice = LoaderDefault.choice(of: text, among: entries),
        let name = entries.first(where: { $0.lowercased() == choice })
      else { continue }
      let path = "\(TypeOneEntry.directory)/\(name)"
      let content = (try? files.readFileIfPresent(path, limit: LoaderConfiguration.sizeLimit)).flatMap { $0 }
      guard let entry = content.flatMap({ TypeOneEntry(parsing: $0, path: path) }) else { continue }
      if !trust.accepts(entry.program, files) { return failForDefault(text, choice, partition.name) }
    }
    plan.note(
      """
      systemd-boot's default is \(text), which was set in its menu or with bootctl; to use ours again, run \
      'pve-sb-uki boot prefer --none'
      """)
  }

  private mutating func failForDefault(_ text: String, _ choice: String, _ partition: String) {
    plan.fail(
      Failure(
        """
        systemd-boot would start \(choice) on \(partition), which Secure Boot refuses: its default was set to \
        \(text), in its menu or with bootctl
        """, hint: "pve-sb-uki boot prefer --none"))
  }
}

extension Trust {
  /// What the firmware trusts; nil where it enforces nothing.
  fileprivate init?(enforcedBy host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    guard database.isEnforced else { return nil }
    try self.init(machine: host)
  }

  /// Whether a file of a partition would be started. What cannot be read would not.
  fileprivate func accepts(_ path: String, _ files: FileSystem) -> Bool {
    let verdict = try? { () throws -> Bool in
      let file = try files.openFile(path)
      let image = try SignedImage(parsing: file)
      return try judge(digest: ImageDigest.compute(of: file, header: image.header), image.signatures(in: file))
        .isAccepted
    }()
    return verdict ?? false
  }
}
