// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages
internal import PortableExecutable

/// A checked recipe with its layout: all headers are known before the first payload byte is read.
package struct ImagePlan: Sendable {
  let stub: Stub
  let layout: ImageLayout
  /// The contents of the added sections, in the order of the section table.
  let added: [SectionContent]
  /// New contents of the stub's own sections.
  let replacements: [String: [UInt8]]
  /// Deviations from the recipe and their reasons; one sentence each.
  package let notes: [Message]
  /// `uname -r` of the kernel, if the recipe or the kernel specifies it.
  package let uname: String?

  /// Checks that the parts of `recipe` fit each other and are supported by the stub.
  ///
  /// Throws `ImageError`, or any error of reading.
  package init(_ recipe: ImageRecipe) throws {
    stub = try Stub(parsing: recipe.stub)
    let kernel = try KernelImage(parsing: recipe.linux)
    guard kernel.header.machine == stub.header.machine else {
      throw ImageError(
        .kernel, "\(recipe.linux.name) is for \(kernel.header.machine), but the stub is for \(stub.header.machine)",
        hint: "specify a stub for \(kernel.header.machine) with --stub")
    }
    var notes: [Message] = []
    uname = try recipe.uname ?? kernel.release ?? KernelImage.releaseInBanner(of: recipe.linux.bytes)
    if uname == nil { notes.append(try Self.missingRelease(recipe.linux)) }
    let ramDisks = try RAMDisks(recipe, stub: stub, notes: &notes)

    var contents: [SectionContent] = []
    func add(_ name: String, _ parts: [any RandomAccessBytes]) {
      contents.append(SectionContent(name: name, parts: parts))
    }
    let sbat = try SBATMerge.merged(recipe, stub: stub, kernel: kernel, notes: &notes)
    var replacements: [String: [UInt8]] = [:]
    if let sbat, stub.header.section(named: SectionName.sbat) != nil {
      replacements[SectionName.sbat] = sbat
    } else if let sbat {
      add(SectionName.sbat, [sbat])
    }
    if stub.header.section(named: SectionName.stubMagic) == nil { add(SectionName.stubMagic, [stub.magic]) }
    if let osRelease = recipe.osRelease {
      let text = try Self.text(osRelease)
      add(SectionName.osRelease, [text])
      if !OSRelease.hasTitle(text) {
        let keys = OSRelease.titleKeys.joined(separator: ", ")
        notes.append("systemd-boot does not list this UKI: \(osRelease.name) contains none of \(keys)")
      }
    }
    if let line = recipe.commandLine {
      add(SectionName.commandLine, [try CommandLineCheck.checked(line, limit: kernel.commandLineLimit)])
    }
    if let uname { add(SectionName.uname, [try Self.checkedRelease(uname)]) }
    if let splash = recipe.splash {
      if let note = try SplashPicture(parsing: splash).note { notes.append(note) }
      add(SectionName.splash, [splash.bytes])
    }
    for (name, content) in recipe.extraSections {
      try Self.checkExtra(name, content: content, stub: stub)
      add(name, [content.bytes])
    }
    if let microcode = ramDisks.microcode { add(SectionName.microcode, [microcode]) }
    add(SectionName.initrd, ramDisks.initrds)
    // After the initrd, so that a kernel that unpacks itself in place overwrites no section that it still needs.
    add(SectionName.linux, [recipe.linux.bytes])
    let shared = contents.count
    // Everything after the first `.profile` belongs to that profile alone.
    for (name, content) in try Self.profileSections(recipe, kernel: kernel, stub: stub) { add(name, [content]) }
    added = contents

    self.replacements = replacements
    do {
      layout = try ImageLayout(
        base: stub.header, replacements: replacements.mapValues(\.count),
        adding: contents.enumerated().map { index, content in
          AddedSection(
            name: content.name, size: content.size,
            mayRepeat: index >= shared || SectionName.mayRepeat.contains(content.name))
        },
        clearingNX: stub.header.isNXCompatible && !kernel.header.isNXCompatible)
    } catch {
      guard error.rule != .name, error.rule != .size else { throw ImageError(.section, error.message) }
      throw ImageError(.stub, "\(stub.name): \(error)", hint: "use the stub from the package systemd-boot-efi")
    }
    self.notes = notes
  }

  /// The size of the UKI before signing, in bytes.
  package var size: Int { layout.fileSize }

  /// The sections that distinguish the profiles, in order; none without profiles.
  private static func profileSections(
    _ recipe: ImageRecipe, kernel: KernelImage, stub: Stub
  ) throws -> [(name: String, content: [UInt8])] {
    guard !recipe.profiles.isEmpty else { return [] }
    guard stub.knows(SectionName.profile) else {
      throw ImageError(
        .section, "\(stub.version) does not support profiles",
        hint: "use the stub of systemd 257 or newer with --stub, or omit the profiles")
    }
    guard recipe.profiles.count <= ImageProfile.countLimit else {
      throw ImageError(
        .section, "\(recipe.profiles.count) profiles are too many; a UKI can have \(ImageProfile.countLimit)",
        hint: "remove some of them")
    }
    guard recipe.commandLine != nil else {
      throw ImageError(.commandLine, "a UKI with profiles needs a command line", hint: "specify it with --cmdline")
    }
    let ids = recipe.profiles.map(\.id)
    if let id = ids.enumerated().first(where: { ids[..<$0.offset].contains($0.element) })?.element {
      throw ImageError(.content, "two profiles have the ID '\(id)'", hint: "rename one of them")
    }
    var sections = [(name: SectionName.profile, content: ImageProfile.mainDescription)]
    for profile in recipe.profiles {
      sections.append((SectionName.profile, profile.description))
      let line = try CommandLineCheck.checked(profile.commandLine, limit: kernel.commandLineLimit)
      sections.append((SectionName.commandLine, line))
    }
    return sections
  }

  /// The note about a kernel whose release is unknown.
  private static func missingRelease(_ linux: NamedInput) throws -> Message {
    let start = try linux.bytes.readBytes(at: 0, count: min(64, linux.bytes.count), format: "kernel")
    return KernelImage.selfExtractingCompression(of: start).map {
      "the UKI has no .uname: the release of \(linux.name) is compressed (\($0)); specify it with --uname"
    } ?? "the UKI has no .uname: \(linux.name) does not contain its release; specify it with --uname"
  }

  private static func text(_ input: NamedInput) throws -> [UInt8] {
    let bytes = try input.contents(limit: 1 << 16, of: .content)
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw ImageError(.content, "\(input.name) is not an os-release file: it is empty or contains a NUL byte")
    }
    return bytes
  }

  private static func checkedRelease(_ text: String) throws -> [UInt8] {
    let bytes = Array(text.utf8)
    guard 1...64 ~= bytes.count, bytes.allSatisfy({ 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "/") }) else {
      throw ImageError(.content, "'\(text)' is not a kernel release as printed by uname -r")
    }
    return bytes
  }

  private static func checkExtra(_ name: String, content: NamedInput, stub: Stub) throws {
    guard name.hasPrefix("."), name.utf8.count >= 2, name.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
      throw ImageError(.section, "'\(name)' is not a section name", hint: "use a dot and one to seven characters")
    }
    guard !SectionName.reserved.contains(name) else {
      throw ImageError(.section, "section \(name) has its own option")
    }
    guard content.bytes.count > 0 else { throw ImageError(.content, "\(content.name), for section \(name), is empty") }
    guard !SectionName.needStubSupport.contains(name) || stub.knows(name) else {
      throw ImageError(
        .section, "\(stub.version) does not support section \(name)",
        hint: "use a newer stub with --stub, or omit the section")
    }
  }
}

/// Checks the content of a kernel command line.
package enum CommandLineCheck {
  /// Returns the line for `.cmdline`.
  ///
  /// Throws `commandLine` for an empty line, for more than `limit` bytes, and for a NUL, a line break or another
  /// control character, where the stub would cut the line or the kernel would misread it.
  package static func checked(_ line: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
    if let index = line.firstIndex(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) {
      let what: Message =
        line[index] == 0 ? "a NUL byte" : line[index] == 0x0a ? "a line break" : "a control character"
      throw ImageError(
        .commandLine, "the command line contains \(what) at byte \(index)", hint: "write it as one line of plain text")
    }
    guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else {
      throw ImageError(.commandLine, "the command line is empty", hint: "add at least root=")
    }
    guard line.count <= limit else {
      throw ImageError(
        .commandLine, "the command line has \(line.count) bytes; the kernel accepts at most \(limit)",
        hint: "shorten it")
    }
    return line
  }
}

/// Why a UKI cannot be built from the given parts.
package typealias ImageError = RuleError<ImageRule>

package enum ImageRule: ErrorRule {
  /// The file is not a usable stub.
  case stub
  /// The file is not a kernel, or is itself a UKI.
  case kernel
  /// A part is empty or has the wrong format.
  case content
  /// The command line is invalid.
  case commandLine
  /// A section cannot be added.
  case section
  /// The written UKI differs from the plan.
  case selfCheck

  package var namesItsObject: Bool { self != .selfCheck }
}
