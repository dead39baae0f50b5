// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// The initial RAM disks and the microcode, assigned to sections that the stub supports.
struct RAMDisks {
  let microcode: (any RandomAccessBytes)?
  let initrds: [any RandomAccessBytes]

  private static let microcodeHint: Message = "create it with 'cpio -o -H newc' from kernel/x86/microcode"

  /// Throws `ImageError` if one is missing or empty.
  ///
  /// For a stub without `.ucode`, microcode is placed before the initrds, where the kernel also finds it.
  init(_ recipe: ImageRecipe, stub: Stub, notes: inout [Message]) throws {
    guard !recipe.initrds.isEmpty else {
      throw ImageError(.content, "no initrd specified", hint: "specify one with --initrd")
    }
    for input in recipe.initrds where input.bytes.count == 0 {
      throw ImageError(.content, "\(input.name) is empty", hint: "rebuild it with update-initramfs -u")
    }
    var parts = recipe.initrds.map(\.bytes)
    guard let input = recipe.microcode else {
      (microcode, initrds) = (nil, parts)
      return
    }
    guard input.bytes.count > 0 else {
      throw ImageError(.content, "\(input.name) is empty", hint: Self.microcodeHint)
    }
    let magic = try input.bytes.readBytes(at: 0, count: min(6, input.bytes.count), format: "cpio")
    guard magic == Array("070701".utf8) || magic == Array("070702".utf8) else {
      throw ImageError(
        .content, "\(input.name) is not an uncompressed cpio archive, which the kernel requires for microcode",
        hint: Self.microcodeHint)
    }
    if stub.knows(SectionName.microcode) {
      (microcode, initrds) = (input.bytes, parts)
    } else {
      parts.insert(input.bytes, at: 0)
      (microcode, initrds) = (nil, parts)
      notes.append("\(stub.version) has no microcode section; the microcode was placed before the initrd")
    }
  }
}
