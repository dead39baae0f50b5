// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
internal import Messages

/// A directory with every firmware variable as it was before an enrolment, and how to get back to that.
package struct UndoBundle: Sendable {
  /// Where bundles are kept by default.
  package static let parent = "/var/lib/pve-sb-uki/undo"
  package static let instructions = "README"
  /// The signed update that removes PK, if it was asked for.
  package static let removal = "noPK.auth"
  /// Bytes of all variables; the largest firmware stores have a few hundred KiB.
  private static let sizeLimit = 64 << 20

  /// Path of the directory.
  package var path: String
  /// Variables that the firmware does not let anyone read.
  package var unreadable: [String]

  /// Writes the bundle, all files at once, and reads it back.
  ///
  /// `removalUpdate` is a signed update that removes PK: any holder of the file can turn Secure Boot off with it. Throws
  /// `Failure` or `HostError` if the directory exists with content, or if it cannot be written.
  package static func write(
    to path: String, in files: FileSystem, from store: EFIVariableStore, steps: [EnrolmentPlan.Step],
    removalUpdate: [UInt8]?
  ) throws -> UndoBundle {
    var variables: [(name: String, content: [UInt8])] = []
    var unreadable: [String] = []
    var total = 0
    for name in try store.names() {
      do {
        guard let content = try store.read(name) else { continue }
        variables.append((name, content))
        total += content.count
      } catch let error as HostError where error.errno != 0 {
        unreadable.append(name)
      }
      guard total <= sizeLimit else {
        throw Failure("the firmware's variables are larger than \(sizeLimit >> 20) MiB", hint: nil)
      }
    }
    let lost = steps.map(\.variable.fileName).filter(unreadable.contains)
    guard lost.isEmpty else {
      throw Failure(
        "cannot keep \(lost.joined(separator: ", ")) for the undo bundle: the firmware does not let it be read",
        hint: "check for a firmware update")
    }
    let text = instructions(steps, hasRemoval: removalUpdate != nil, unreadable: unreadable)
    try files.makeCompleteDirectory(path) { temporary in
      for (name, content) in variables {
        try files.replaceFile("\(temporary)/\(name)", mode: 0o600, content: content)
      }
      if let removalUpdate {
        try files.replaceFile("\(temporary)/\(removal)", mode: 0o600, content: removalUpdate)
      }
      try files.replaceFile("\(temporary)/\(Self.instructions)", mode: 0o600, content: Array(text.utf8))
      let written = Set(try files.list(temporary) ?? [])
      guard written.isSuperset(of: variables.map(\.name)) else {
        throw HostError("write", files.display(path), detail: "files are missing after it was written")
      }
    }
    return UndoBundle(path: path, unreadable: unreadable)
  }

  /// The data of a variable in a bundle; empty if it has none.
  package static func data(of variable: EFIVariableName, in path: String, _ files: FileSystem) -> [UInt8] {
    let content = (try? files.readFileIfPresent("\(path)/\(variable.fileName)", limit: sizeLimit)).flatMap { $0 }
    return content.flatMap { try? EFIVariableContent(parsing: $0).data } ?? []
  }

  /// Whether the directory has a complete bundle: it gets its name only when all files are written.
  package static func exists(at path: String, in files: FileSystem) -> Bool {
    (try? files.exists("\(path)/\(instructions)")) == true
  }

  /// The text for a person who has to get back.
  private static func instructions(
    _ steps: [EnrolmentPlan.Step], hasRemoval: Bool, unreadable: [String]
  ) -> String {
    var lines: [Message] = [
      "These are the firmware's variables before 'pve-sb-uki enroll --firmware' changed them.", "",
      "Changed since then: \(steps.map(\.variable.name).joined(separator: ", "))", "",
      "To start the machine again if the firmware rejects everything:",
      "  1. Open the firmware's setup menu and turn Secure Boot off.",
      "  2. The machine then starts as before. Nothing on its disks was changed by the enrolment.", "",
      "To get the vendor's keys back:",
      "  1. Open the firmware's setup menu, section Secure Boot.",
      "  2. Choose 'Restore factory keys', also called 'Install default keys'.", "",
      "To get exactly these variables back:",
      "  1. Delete PK in the firmware's setup menu, which starts Setup Mode.",
      "  2. Write the lists of db, KEK and dbx back. In each file, the list follows four bytes of attributes:",
      "       tail -c +5 db-\(EFIVariableName.signatureDatabase.vendor) > db.esl",
      "       chattr -i \(EFIVariableStore.directory)/db-*",
      "       efi-updatevar -e -f db.esl db",
      "  3. Enrol the vendor's PK in the firmware's setup menu. Its private key signs further changes.",
    ]
    if hasRemoval {
      lines += [
        "", "\(removal) removes the PK of pve-sb-uki: anyone who has it can turn Secure Boot off. Use it with",
        "  efi-updatevar -f \(removal) PK", "and keep it off every ESP.",
      ]
    }
    if !unreadable.isEmpty {
      lines += ["", "The firmware does not let these variables be read, so they are not here:"]
      lines += unreadable.map { "  \($0)" }
    }
    return lines.map { $0.text(Catalogue.translate) + "\n" }.joined()
  }
}
