// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import Messages
internal import PortableExecutable

/// A recipe checked and laid out: every byte of the headers is known before the first payload byte is read.
package struct ImagePlan: Sendable {
  let stub: Stub
  let layout: ImageLayout
  /// Contents of the added sections, in the order of the section table.
  let added: [SectionContent]
  /// New contents for sections of the stub.
  let replacements: [String: [UInt8]]
  /// What was done otherwise than asked, and why; one sentence each.
  package let notes: [Message]
  /// `uname -r` of the kernel, if the recipe or the kernel says it.
  package let uname: String?

  /// Checks all parts of `recipe` against each other and against what its stub can do.
  ///
  /// Throws `ImageError`, or what reading throws.
  package init(_ recipe: ImageRecipe) throws {
    stub = try Stub(parsing: recipe.stub)
    let kernel = try KernelImage(parsing: recipe.linux)
    guard kernel.header.machine == stub.header.machine else {
      throw ImageError(
        .kernel, "\(recipe.linux.name) is for \(kernel.header.machine), the stub for \(stub.header.machine)",
        hint: "give a stub for \(kernel.header.machine) with --stub")
    }
    var notes: [Message] = []
    uname = recipe.uname ?? kernel.release
    let ramDisks = try RAMDisks(recipe, stub: stub, notes: &notes)

    var contents: [SectionContent] = []
    func add(_ name: String, _ parts: [any RandomAccessBytes]) {
      contents.append(SectionContent(name: name, parts: parts))
    }
    if let osRelease = recipe.osRelease { add(SectionName.osRelease, [try Self.text(osRelease)]) }
    if let line = recipe.commandLine {
      add(SectionName.commandLine, [try CommandLineCheck.checked(line, limit: kernel.commandLineLimit)])
    }
    if let uname { add(SectionName.uname, [try Self.checkedRelease(uname)]) }
    if let splash = recipe.splash { add(SectionName.splash, [try Self.bitmap(splash)]) }
    for (name, content) in recipe.extraSections {
      try Self.checkExtra(name, content: content, stub: stub)
      add(name, [content.bytes])
    }
    if let microcode = ramDisks.microcode { add(SectionName.microcode, [microcode]) }
    add(SectionName.initrd, ramDisks.initrds)
    // Last, so that a kernel that unpacks itself in place has nothing of ours behind it.
    add(SectionName.linux, [recipe.linux.bytes])
    added = contents

    var replacements: [String: [UInt8]] = [:]
    if let sbat = try SBATMerge.merged(recipe, stub: stub, kernel: kernel, notes: &notes) {
      replacements[SectionName.sbat] = sbat
    }
    self.replacements = replacements
    do {
      layout = try ImageLayout(
        base: stub.header, replacements: replacements.mapValues(\.count),
        adding: contents.map { AddedSection(name: $0.name, size: $0.size) },
        clearingNX: stub.header.isNXCompatible && !kernel.header.isNXCompatible)
    } catch {
      guard error.rule != .name, error.rule != .size else { throw ImageError(.section, error.message) }
      throw ImageError(.stub, "\(stub.name): \(error)", hint: "use the stub that systemd-boot-efi brings")
    }
    self.notes = notes
  }

  /// Size of the image before signing, in bytes.
  package var size: Int { layout.fileSize }

  private static func text(_ input: NamedInput) throws -> [UInt8] {
    let bytes = try input.contents(limit: 1 << 16, of: .content)
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw ImageError(.content, "\(input.name) is empty or holds a NUL byte; it is no os-release file")
    }
    return bytes
  }

  private static func bitmap(_ input: NamedInput) throws -> any RandomAccessBytes {
    guard input.bytes.count >= 26, try input.bytes.readBytes(at: 0, count: 2, format: "BMP") == Array("BM".utf8) else {
      throw ImageError(.content, "\(input.name) is not a BMP picture", hint: "the stub shows uncompressed BMP only")
    }
    return input.bytes
  }

  private static func checkedRelease(_ text: String) throws -> [UInt8] {
    let bytes = Array(text.utf8)
    guard 1...64 ~= bytes.count, bytes.allSatisfy({ 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "/") }) else {
      throw ImageError(.content, "'\(text)' is no kernel release as uname -r prints it")
    }
    return bytes
  }

  private static func checkExtra(_ name: String, content: NamedInput, stub: Stub) throws {
    guard name.hasPrefix("."), name.utf8.count >= 2, name.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
      throw ImageError(.section, "'\(name)' is no section name", hint: "a name is a dot and one to seven characters")
    }
    guard !SectionName.reserved.contains(name) else {
      throw ImageError(.section, "section \(name) has an option of its own")
    }
    guard content.bytes.count > 0 else { throw ImageError(.content, "\(content.name), for section \(name), is empty") }
    guard !SectionName.needStubSupport.contains(name) || stub.knows(name) else {
      throw ImageError(
        .section, "\(stub.version) does not know section \(name), which would have no effect",
        hint: "use a newer stub with --stub, or leave the section out")
    }
  }
}

/// What a kernel command line may hold.
package enum CommandLineCheck {
  /// The line as it goes into `.cmdline`.
  ///
  /// Throws `commandLine` for a NUL, a line break or another control character (the stub would cut or the kernel
  /// misread it there), for an empty line and for more than `limit` bytes.
  package static func checked(_ line: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
    if let index = line.firstIndex(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) {
      let what: Message =
        line[index] == 0 ? "a NUL byte" : line[index] == 0x0a ? "a line break" : "a control character"
      throw ImageError(
        .commandLine, "the command line holds \(what) at byte \(index)", hint: "write it as one line of plain text")
    }
    guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else {
      throw ImageError(.commandLine, "the command line is empty", hint: "it needs at least root=")
    }
    guard line.count <= limit else {
      throw ImageError(
        .commandLine, "the command line has \(line.count) bytes, the kernel takes \(limit)", hint: "shorten it")
    }
    return line
  }
}

/// Why no Unified Kernel Image can be made of the given parts.
package typealias ImageError = RuleError<ImageRule>

package enum ImageRule: ErrorRule {
  /// The file given as stub cannot be built upon.
  case stub
  /// The file given as kernel is not a kernel, or is a UKI itself.
  case kernel
  /// A part is empty or not of its kind.
  case content
  /// The command line holds what a command line cannot.
  case commandLine
  /// A section cannot be added.
  case section
  /// What was written is not what was meant to be.
  case selfCheck

  package var namesItsObject: Bool { self != .selfCheck }
}
