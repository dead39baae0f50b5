// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import Findings
internal import HostSystem
internal import Messages
internal import Reconcile
internal import SecureBoot
internal import SigningKeys

/// Files for the enrolment of keys that are still on an ESP.
enum ESPKeyFiles {
  private static let unstaging: Finding.Action = .run("pve-sb-uki keys unstage")

  /// Updates that delete the platform key, found by the observation.
  static func removals(_ context: MachineFindings.Context, on host: Host) -> [Finding] {
    let own = OwnKeyFiles(of: host, certificate: context.certificate)
    return context.esps.compactMap { esp in
      guard let paths = context.keyRemovals[esp.name], !paths.isEmpty else { return nil }
      let files = try? esp.open(on: host, for: .reading)
      let isOwn = paths.allSatisfy { path in
        files.flatMap { try? $0.readFile(path, limit: OwnKeyFiles.sizeLimit) }.map(own.contain) ?? false
      }
      let names = paths.joined(separator: ", ")
      return Finding(
        .keyRemovalOnESP, "\(esp.name): \(names) turns Secure Boot off on a machine with its PK",
        arguments: ["partition": .string(esp.name), "files": JSONValue(paths)],
        // pve-sb-uki removes only what its owner signed.
        actions: [isOwn ? unstaging : esp.action(on: host) { root in "rm -- " + words(paths, below: root) }])
    }
  }

  /// Public parts of the owner's keys: those that nothing needs once the keys are enrolled, and those of another
  /// certificate, which must not be enrolled.
  static func findings(
    _ context: MachineFindings.Context, _ firmware: FirmwareKeys, on host: Host
  ) throws -> [Finding] {
    let own = OwnKeyFiles(of: host, certificate: context.certificate)
    guard !own.certificates.isEmpty else { return [] }
    let isEnrolled = firmware.isOwned && firmware.database.setupMode != true
    return context.esps.flatMap { esp -> [Finding] in
      // An ESP that cannot be read is reported elsewhere.
      guard let files = try? esp.open(on: host, for: .reading) else { return [] }
      let search = ESPKeySearch(of: files, own)
      return [
        isEnrolled
          ? finding(esp, search.own) { "\(esp.name): \($0) has exported keys, which are enrolled and no longer needed" }
          : nil,
        finding(esp, search.stale) {
          "\(esp.name): \($0) has keys for the enrolment of another certificate; UKIs are not signed by it"
        },
      ].compactMap { $0 }
    }
  }

  private static func finding(_ esp: ESP, _ paths: [String], _ message: (String) -> Message) -> Finding? {
    guard !paths.isEmpty else { return nil }
    let directories = paths.map { PathName($0).directory }.reduce(into: [String]()) { found, directory in
      if !found.contains(directory) { found.append(directory) }
    }
    let names = directories.map { $0 == "/" ? "the root directory" : "\($0)/" }.joined(separator: ", ")
    return Finding(
      .exportedKeysOnESP, message(names),
      arguments: ["partition": .string(esp.name), "files": JSONValue(paths)], actions: [unstaging])
  }

  private static func words(_ paths: [String], below root: String) -> String {
    paths.map { PathName.join(root, String($0.drop { $0 == "/" })).shellWord }.joined(separator: " ")
  }
}

extension ESP {
  /// Runs a command on the files of the ESP, which `command` builds from the path of its root.
  ///
  /// An unmounted ESP is mounted for it. A path that cannot be typed on a terminal leads to advice.
  fileprivate func action(on host: Host, _ command: (String) -> String) -> Finding.Action {
    let text: String
    if case .listed = source {
      let device = host.files.display(path).shellWord
      text = "mount \(device) /mnt && \(command("/mnt")); umount /mnt"
    } else {
      text = command(host.files.display(path))
    }
    guard text.isTypable else { return .advise("delete these files from the ESP") }
    return .run(Message(verbatim: text))
  }
}

extension String {
  /// Whether a terminal shows and accepts the text as it is: no control characters, no damaged text.
  fileprivate var isTypable: Bool {
    unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) && $0.value != 0xfffd }
  }
}
