// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import UnifiedKernelImage

extension PlanRun {
  /// Whether the image can be copied, or all that it takes to make it is at hand. Writes nothing.
  mutating func canWrite(_ kernel: Kernel) -> Bool {
    if source(of: kernel) != nil { return true }
    return (try? openParts(of: kernel)) != nil && (try? signingIdentity()) != nil
  }

  /// Puts the kernel's image on the partition: a copy of one that exists, else made there.
  ///
  /// Where the old one is known to be good it stays as the previous one: the new image is written to that name first and
  /// then changes places with it, so that at every instant the old one is at a name that the firmware knows.
  mutating func write(_ kernel: Kernel, _ keepsPrevious: Bool, _ work: inout PartitionWork) throws {
    let name = ImageName(kernel)
    let landing = ImageName(kernel, isPrevious: keepsPrevious)
    try work.files.makeDirectory(ImageName.directory)
    var state = Apply.Image.State.copied
    var image = try copy(kernel, to: landing, work)
    if image == nil {
      state = .signed
      image = try build(kernel, to: landing, work)
    }
    guard let image else { return }
    work.images.insert(landing)
    try place(image, landing, work)
    if keepsPrevious {
      let old = manifest.image(on: work.partition.name, name)
      if try work.files.exchange(landing.path, name.path) {
        if let old { try place(old, landing, work, saving: false) }
      } else {
        // The kernel cannot swap two names: the new image takes the old one's place, which is at least atomic.
        try work.files.rename(landing.path, to: name.path)
        manifest.remove(landing, on: work.partition.name)
        work.images.remove(landing)
      }
      work.images.insert(name)
      try place(image, name, work)
    }
    made[kernel] = image.digest
    if let digest = image.authenticode, forbiddenDigests.contains(digest), refused.insert(name).inserted {
      fail(Plan.refusal(of: name, on: work.partition.name))
    }
    work.inPlace.append(kernel)
    report(kernel, work.partition, state)
  }

  private mutating func place(
    _ image: ImageRecord, _ name: ImageName, _ work: PartitionWork, saving: Bool = true
  ) throws {
    guard let status = try work.files.linkStatus(of: name.path) else {
      throw Failure("\(work.files.display(name.path)) vanished after it was written")
    }
    let copy = ImageRecord.Copy(partition: work.partition.name, name: name, modified: status.modified)
    manifest.place(image, at: [copy])
    if saving { saveManifest() }
  }

  private func source(of kernel: Kernel) -> (image: ImageRecord, copy: ImageRecord.Copy)? {
    var digest = made[kernel]
    if case .bytes(let known, _) = plan.kernels.first(where: { $0.kernel == kernel })?.demand {
      digest = digest ?? known
    }
    guard let digest, let image = manifest.image(withDigest: digest),
      let copy = image.copies.first(where: { open.files(of: $0.partition) != nil })
    else { return nil }
    return (image, copy)
  }

  /// Copies the image from wherever it lies; nil if it lies nowhere as it should.
  private mutating func copy(_ kernel: Kernel, to name: ImageName, _ work: PartitionWork) throws -> ImageRecord? {
    while let (image, copy) = source(of: kernel), let files = open.files(of: copy.partition) {
      guard let file = try? files.openFile(copy.name.path), try Digest.of(file) == image.digest else {
        manifest.remove(copy.name, on: copy.partition)
        continue
      }
      try work.files.replaceFile(
        name.path,
        verify: { written in
          guard try Digest.of(written) == image.digest else {
            throw Failure(
              "\(work.files.display(name.path)) does not read back as it was written",
              hint: "the partition or its disk may be failing")
          }
        },
        writing: { sink in try TransferBuffer().forEachChunk(of: file, in: 0..<file.count) { try sink.write($0) } })
      return image
    }
    return nil
  }

  private mutating func build(_ kernel: Kernel, to name: ImageName, _ work: PartitionWork) throws -> ImageRecord? {
    let (inputs, open) = try openParts(of: kernel)
    let identity = try signingIdentity()
    var image: ImageRecord?
    let written = try ImageOutput.write(
      open.plan, to: name.path, in: work.files, signingBy: identity, signingTime: host.buildTime,
      furtherCheck: { image = try inputs.record(of: $0, open) })
    image?.authenticode = written.image.digest
    return image
  }

  private mutating func openParts(of kernel: Kernel) throws -> (ApplyInputs, ApplyInputs.Open) {
    let inputs = try ApplyInputs(kernel, commandLines.line(for: kernel), configuration, on: host)
    let opened = parts[kernel] ?? Result { try inputs.open(host) }
    parts[kernel] = opened
    return (inputs, try opened.get())
  }
}
