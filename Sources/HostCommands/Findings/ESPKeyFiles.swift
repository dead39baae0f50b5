// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import Findings
internal import HostSystem
internal import Messages
internal import SecureBoot
internal import SigningKeys

/// Files for the enrolment of keys that are still on an ESP.
enum ESPKeyFiles {
  /// Maximum size of such a file in bytes; most have 1 to 4 KiB.
  private static let sizeLimit = 64 << 10
  /// Maximum number of directories and of files to examine on an ESP.
  private static let directoryLimit = 1000
  private static let fileLimit = 1000
  private static let suffixes = [".auth", ".esl", ".cer", ".der", ".crt"]

  /// Updates that delete the platform key, found by the observation.
  static func removals(_ context: MachineFindings.Context, on host: Host) -> [Finding] {
    context.esps.compactMap { esp in
      guard let paths = context.keyRemovals[esp.name], !paths.isEmpty else { return nil }
      let names = paths.joined(separator: ", ")
      return Finding(
        .keyRemovalOnESP, "\(esp.name): \(names) turns Secure Boot off on a machine with its PK",
        arguments: ["partition": .string(esp.name), "files": JSONValue(paths)],
        actions: [esp.action(on: host) { root in "rm -- " + words(paths, below: root) }])
    }
  }

  /// Public parts of the owner's keys, which nothing needs once they are enrolled.
  static func findings(
    _ context: MachineFindings.Context, _ firmware: FirmwareKeys, on host: Host
  ) throws -> [Finding] {
    let own = Set(firmware.own.values).union([context.certificate].compactMap { $0 })
    guard firmware.isOwned, firmware.database.setupMode != true, !own.isEmpty else { return [] }
    return context.esps.compactMap { esp in
      // An ESP that cannot be read is reported elsewhere.
      guard let files = try? esp.open(on: host, for: .reading) else { return nil }
      let found = directories(on: files, own: own)
      guard !found.isEmpty else { return nil }
      let names = found.map { $0.isComplete ? "\($0.path)/" : $0.files.joined(separator: ", ") }
      return Finding(
        .exportedKeysOnESP,
        "\(esp.name): \(names.joined(separator: ", ")) has exported keys, which are enrolled and no longer needed",
        arguments: ["partition": .string(esp.name), "files": JSONValue(found.flatMap(\.files))],
        actions: [
          esp.action(on: host) { root in
            found.map { directory in
              directory.isComplete
                ? "rm -r -- " + words([directory.path], below: root) : "rm -- " + words(directory.files, below: root)
            }.joined(separator: " && ")
          }
        ])
    }
  }

  /// A directory with exported keys.
  private struct Directory {
    var path: String
    /// Paths of the keys in it.
    var files: [String] = []
    /// Whether it contains nothing else, and is not the root or one that others use, too.
    var isComplete = false
  }

  /// The directories with keys, those nearest the root first.
  ///
  /// Skips what cannot be read.
  private static func directories(on files: FileSystem, own: Set<Certificate>) -> [Directory] {
    var found: [Directory] = []
    var queue = ["/"]
    var next = 0
    var budget = fileLimit
    while next < queue.count {
      var directory = Directory(path: queue[next])
      next += 1
      let names = (try? files.list(directory.path)) ?? []
      for name in names {
        let path = PathName.join(directory.path, name)
        if suffixes.contains(where: name.lowercased().hasSuffix), budget > 0 {
          budget -= 1
          if let bytes = try? files.readFile(path, limit: sizeLimit), holds(bytes, one: own) {
            directory.files.append(path)
            continue
          }
        }
        if queue.count < directoryLimit, (try? files.linkStatus(of: path))??.kind == .directory { queue.append(path) }
      }
      guard !directory.files.isEmpty else { continue }
      let depth = directory.path.split(separator: "/").count
      directory.isComplete = directory.files.count == names.count && depth >= 2
      found.append(directory)
    }
    return found
  }

  /// Whether a file enrols one of these certificates.
  private static func holds(_ bytes: [UInt8], one own: Set<Certificate>) -> Bool {
    if let certificates = try? CertificateFile(parsing: bytes).certificates {
      return certificates.contains(where: own.contains)
    }
    let update = try? AuthenticatedVariable(parsing: bytes)
    let list = SignatureDatabase.readable(in: update?.payload ?? bytes).database
    return list.signatures(of: .x509).contains { entry in
      (try? Certificate(parsingPrefixOf: entry.data)).map(own.contains) ?? false
    }
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
