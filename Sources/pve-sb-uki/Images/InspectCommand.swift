// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BootEnvironment
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
internal import KernelModules
internal import Messages
internal import StartupCheck

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what an EFI image or a kernel module contains, and its signatures",
    discussion: """
      With --section, writes the raw content of that section to standard output; of all such sections if there are \
      several.
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("EFI image or kernel module", valueName: "file"), completion: .file())
  var image: String

  @Option(help: ArgumentHelp("Print only the content of this section", valueName: "name"))
  var section: String?

  @Option(help: ArgumentHelp("With --section: only that of this profile of the UKI, from 0", valueName: "number"))
  var profile: Int?

  func validate() throws {
    guard profile == nil || section != nil else { throw ValidationError(saying: "--profile requires --section") }
  }

  func run() throws {
    let inspect = InspectImage(path: image)
    let host = try global.host()
    if let section {
      let count = try inspect.extract(section, profile: profile, on: host) { try StandardStream.output.write($0) }
      if count > 1 {
        try global.note("\(image) has \(count) sections \(section), written one after the other; select with --profile")
      }
    } else if try ModuleFile.isModule(host.userFiles.openFile(image)) {
      let report = try InspectModule(path: image).run(on: host)
      try global.print(report.text, json: report.json)
    } else {
      let report = try inspect.run(on: host)
      try global.print(report.text, json: report.json)
    }
  }
}

extension InspectImage.Report {
  fileprivate var text: String {
    var lines: [Message] = [
      isUnifiedKernelImage
        ? "\(path): Unified Kernel Image, \(machine), \(fileSize) bytes"
        : "\(path): EFI image, \(machine), \(fileSize) bytes"
    ]
    if let stub { lines.append("  stub:     \(stub)") }
    lines.append(isNXCompatible ? "  NX:       compatible" : "  NX:       not claimed")
    lines.append("  checksum: 0x\(String(checkSum, radix: 16))")
    lines += digests.sorted { $0.key < $1.key }.map { "  Authenticode \($0.key): \($0.value)" }
    if let usage {
      lines.append("")
      lines.append("Size by part:")
      lines += usage.rows.map { row in
        let columns = [
          Self.pad(Quantity.megabytes(row.bytes), to: 7),
          Self.pad("\(row.percent)", to: 3),
        ]
        return "  \(columns[0]) MB  \(columns[1]) %  \(row.title)"
      }
    }
    lines.append("")
    lines.append("Sections:")
    lines.append("  name            size   address      file  sha256")
    lines += sections.map { section in
      let columns = [
        Self.pad(section.name, to: 9, left: true), Self.pad("\(section.size)", to: 11),
        Self.pad(Self.hex(section.virtualAddress), to: 10),
        Self.pad(Self.hex(section.fileOffset), to: 10),
      ]
      return "  \(columns.joined())  \(section.sha256.prefix(32))…"
    }
    for section in sections {
      guard let text = section.text, !text.isEmpty else { continue }
      lines.append("")
      lines.append("\(section.name):")
      lines += Self.quoted(text).map { "  | \($0)" }
    }
    lines.append("")
    lines.append(signatures.isEmpty ? "Not signed." : "Signatures: \(signatures.count)")
    for (index, signature) in signatures.enumerated() {
      if index > 0 { lines.append("") }
      lines += signature.lines.map { "  \($0)" }
    }
    if let certificateTableDefect { lines.append("The certificate table is damaged: \(certificateTableDefect)") }
    return lines.localLines
  }

  fileprivate var json: JSONValue {
    .object([
      "path": .string(path), "size": .integer(fileSize), "machine": .string(machine), "stub": JSONValue(stub),
      "uki": .boolean(isUnifiedKernelImage), "nx_compatible": .boolean(isNXCompatible), "checksum": .integer(checkSum),
      "authenticode": .object(digests.mapValues { .string($0) }),
      "sizes": usage?.sizesJSON ?? .null, "initrd_compression": JSONValue(usage?.compression),
      "sections": .array(sections.map(\.json)), "signatures": .array(signatures.map(\.json)),
      "certificate_table_damage": JSONValue(certificateTableDefect),
    ])
  }

  private static func hex(_ value: Int) -> String { "0x" + String(value, radix: 16) }

  private static func pad(_ text: String, to width: Int, left: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + fill : fill + text
  }

  /// The lines of a section's text, to be marked so that they cannot look like lines of the report.
  private static func quoted(_ text: String) -> [Substring] {
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { Substring($0) }
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

extension InspectImage.Section {
  fileprivate var json: JSONValue {
    .object([
      "name": .string(name), "size": .integer(size), "virtual_address": .integer(virtualAddress),
      "raw_size": .integer(rawSize), "file_offset": .integer(fileOffset), "characteristics": .integer(characteristics),
      "sha256": .string(sha256), "text": JSONValue(text),
    ])
  }
}
