// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
package import Cryptography
package import HostSystem
internal import Messages
internal import PortableExecutable

extension LoaderFiles {
  /// Whether the file at `path` is what `source` makes. What cannot be read is not.
  func isInPlace(_ source: Source, at path: String, on files: FileSystem) throws -> Bool {
    guard try files.linkStatus(of: path)?.kind == .regular, let file = try? files.openFile(path) else { return false }
    switch source {
    case .signed(let program): return isSigned(file, digest: digest(ofProgram: program))
    case .copied(let program): return (try? Self.areEqual(file, self.program(program))) ?? false
    case .image(let name):
      guard let image = try? files.openFile(name.path) else { return false }
      return (try? Self.areCopies(file, image)) ?? false
    case .text(let text): return (try? file.readToEnd(limit: text.count)) == text
    }
  }

  /// Carries out a step; nothing is written if it is done already. What is read back is verified before it takes its
  /// place. Throws `Failure` or `HostError`.
  package func perform(_ step: Step, on files: FileSystem, signingBy identity: () throws -> SigningIdentity) throws {
    if try isInPlace(step.source, at: step.path, on: files) { return }
    try files.makeDirectory(Self.parent(of: step.path))
    switch step.source {
    case .signed(let path):
      let program = try program(path)
      let signer = ImageSigner(identity: try identity(), existing: .replace, signingTime: host.buildTime)
      try describing(path) {
        _ = try files.replaceFile(
          step.path,
          verify: { file in
            try Self.require(isSigned(file, digest: digest(ofProgram: path)), file)
            try program.requireUnchanged()
          },
          writing: { try signer.sign(program, to: $0) })
      }
    case .copied(let path):
      try copy(try program(path), to: step.path, on: files) { _ in true }
    case .image(let name):
      try copy(try files.openFile(name.path), to: step.path, on: files) { isSigned($0, digest: nil) }
    case .text(let text):
      try files.replaceFile(
        step.path, verify: { try Self.require($0.readToEnd(limit: text.count) == text, $0) },
        writing: { try $0.write(text) })
    }
  }

  private func copy(
    _ source: File, to path: String, on files: FileSystem, check: @escaping (File) throws -> Bool
  ) throws {
    try files.replaceFile(
      path, verify: { try Self.require(Self.areEqual($0, source) && check($0), $0) },
      writing: { sink in
        try TransferBuffer().forEachChunk(of: source, in: 0..<source.count) { try sink.write($0) }
      })
  }

  private static func require(_ isRight: Bool, _ file: File) throws {
    guard isRight else {
      throw Failure(
        "\(file.path) does not read back as it was written", hint: "the partition or its disk may be failing")
    }
  }

  /// Whether the file carries our signature, over an image of that digest if one is given.
  private func isSigned(_ file: File, digest: [UInt8]?) -> Bool {
    guard let image = try? SignedImage(parsing: file), let signatures = try? image.signatures(in: file) else {
      return false
    }
    return signatures.contains { signature, verdict in
      verdict == .valid && signature.message.signers == [certificate] && signature.firmwareObstacle == nil
        && (digest == nil || signature.content.digest == digest)
    }
  }

  private static func areEqual(_ left: File, _ right: File) throws -> Bool {
    guard left.count == right.count else { return false }
    let (one, other) = (TransferBuffer(), TransferBuffer())
    var offset = 0
    while offset < left.count {
      let count = min(one.bytes.count, left.count - offset)
      let (first, second) = (
        UnsafeMutableRawBufferPointer(rebasing: one.bytes[..<count]),
        UnsafeMutableRawBufferPointer(rebasing: other.bytes[..<count])
      )
      try left.read(into: first, at: offset)
      try right.read(into: second, at: offset)
      guard first.elementsEqual(second) else { return false }
      offset += count
    }
    return true
  }

  /// Whether two images are one by what does not take reading all of them, at each run, some hundred megabytes: size,
  /// headers and signatures. A signature is over all the rest; if that was changed, the firmware refuses the image.
  private static func areCopies(_ left: File, _ right: File) throws -> Bool {
    guard left.count == right.count else { return false }
    let (one, other) = (try SignedImage(parsing: left), try SignedImage(parsing: right))
    return one.header.bytes == other.header.bytes && one.table == other.table && !one.table.entries.isEmpty
  }

  private static func parent(of path: String) -> String {
    let names = path.split(separator: "/").dropLast()
    return "/" + names.joined(separator: "/")
  }
}
