// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// The initial RAM disks and the microcode, in the places the stub can use.
struct RAMDisks {
  let microcode: (any RandomAccessBytes)?
  let initrds: [any RandomAccessBytes]

  /// Throws `ImageError` if one is missing or empty.
  ///
  /// Microcode for a stub without `.ucode` goes in front of the initrds, where the kernel looks for it too.
  init(_ recipe: ImageRecipe, stub: Stub, notes: inout [Message]) throws {
    guard !recipe.initrds.isEmpty else {
      throw ImageError(.content, "no initrd was given", hint: "give it with --initrd")
    }
    for input in recipe.initrds + [recipe.microcode].compactMap({ $0 }) where input.bytes.count == 0 {
      throw ImageError(.content, "\(input.name) is empty", hint: "rebuild it with update-initramfs -u")
    }
    var parts = recipe.initrds.map(\.bytes)
    guard let input = recipe.microcode else {
      (microcode, initrds) = (nil, parts)
      return
    }
    let magic = try input.bytes.readBytes(at: 0, count: min(6, input.bytes.count), format: "cpio")
    guard magic == Array("070701".utf8) else {
      throw ImageError(
        .content, "\(input.name) is not an uncompressed cpio archive, the only form in which microcode is found")
    }
    if stub.knows(SectionName.microcode) {
      (microcode, initrds) = (input.bytes, parts)
    } else {
      parts.insert(input.bytes, at: 0)
      (microcode, initrds) = (nil, parts)
      notes.append("\(stub.version) has no section for microcode; it was put in front of the initrd")
    }
  }
}
