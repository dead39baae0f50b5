// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import HostSystem
internal import Messages
internal import UnifiedKernelImage

extension Planner {
  /// What the kernel's image is to be. A kernel whose inputs are not usable keeps what it has, and the plan says why.
  mutating func assess(_ wanted: Plan.Kernel) -> Plan.Kernel {
    var kernel = wanted
    guard !wanted.isStanding, options.kernels.isEmpty || options.kernels.contains(wanted.kernel.release) else {
      return kernel
    }
    do {
      kernel.demand = try demand(of: wanted.kernel)
    } catch {
      let name = ImageName(wanted.kernel).fileName
      plan.fail(Failure(adopting: error, of: "EFI/Linux/\(name) cannot be made"))
      kernel.isUnusable = true
    }
    return kernel
  }

  private mutating func demand(of kernel: Kernel) throws -> WantedImage.Demand {
    let inputs = try ApplyInputs(kernel, commandLines.line(for: kernel), configuration, on: host)
    if !options.isForced, let known = try knownImage(inputs) { return .bytes(digest: known.digest, size: known.size) }
    let open = try inputs.open(host)
    if !options.isForced, let adopted = try adoptedImage(inputs, open) {
      return .bytes(digest: adopted.digest, size: adopted.size)
    }
    for note in open.plan.notes { plan.note(note) }
    return .build(size: open.plan.size + Self.signatureRoom)
  }

  /// Bytes that a signature takes at most.
  private static let signatureRoom = 16 << 10

  /// The image in the manifest that these inputs give.
  private mutating func knownImage(_ inputs: ApplyInputs) throws -> ImageRecord? {
    for image in manifest.images {
      guard let current = try image.inputsIfUnchanged(inputs, in: host.files) else { continue }
      manifest.update(image.digest) { $0.inputs = current }
      return image
    }
    return nil
  }

  /// An image on a partition that the manifest does not know, but that is just what would be made now.
  ///
  /// The inputs are passed through the builder for their digest; nothing is written.
  private mutating func adoptedImage(_ inputs: ApplyInputs, _ parts: ApplyInputs.Open) throws -> ImageRecord? {
    let name = ImageName(inputs.kernel)
    var expected: [UInt8]?
    var adopted: ImageRecord?
    for partition in survey.partitions {
      guard let index = states[partition.name]?.images.firstIndex(where: { $0.name == name && $0.content == .signed }),
        let file = try open.files(of: partition.name)?.openFile(name.path)
      else { continue }
      let digest = try expected ?? ImageBuilder.write(parts.plan, to: NullSink(), signingBy: nil).digest
      expected = digest
      let image = try SignedImage(parsing: file)
      guard try ImageDigest.compute(of: file, header: image.header) == digest else { continue }
      var record = try inputs.record(of: file, parts)
      record.authenticode = digest
      let copy = ImageRecord.Copy(partition: partition.name, name: name, modified: file.status.modified)
      manifest.place(record, at: [copy])
      states[partition.name]?.images[index].content = .recorded(digest: record.digest, booted: nil)
      adopted = record
    }
    return adopted
  }

  /// Notes in the manifest which image the running system was booted from: it is known to be good.
  mutating func markBooted() {
    guard let evidence, let fileName = evidence.imageName else { return }
    recordBooted(fileName.lowercased(), evidence)
    let present = manifest.images.flatMap { $0.copies.map(\.name) }
    // systemd-boot names it in lower case.
    guard let image = present.first(where: { $0.fileName.lowercased() == fileName.lowercased() }) else { return }
    // What was replaced since has the previous one's name now.
    let names = [image, ImageName(image.kernel, isPrevious: true)]
    for partition in survey.partitions {
      if let booted = evidence.partition, let own = partition.location?.guid, booted != own { continue }
      let candidates = names.compactMap { manifest.image(on: partition.name, $0) }
      let wasThere = candidates.first { candidate in
        candidate.copies.contains { copy in
          copy.partition == partition.name && names.contains(copy.name)
            && copy.modified / 1_000_000_000 <= evidence.bootTime
        }
      }
      guard let wasThere else { continue }
      // The clock that the time of the boot is reckoned from may have been set since.
      if let known = wasThere.booted, abs(known - evidence.bootTime) < 60 { return }
      // A later one was told by a clock that went ahead; it would count as the last for years.
      for later in manifest.images where later.booted.map({ $0 >= evidence.bootTime }) == true {
        setBooted(later.digest, evidence.bootTime - 1)
      }
      setBooted(wasThere.digest, evidence.bootTime)
      return
    }
  }

  /// The manifest may be lost, and the image not be what would be made now: of what it was made is then not known, but
  /// that it boots is.
  private mutating func recordBooted(_ fileName: String, _ evidence: BootEvidence) {
    for partition in survey.partitions {
      if let booted = evidence.partition, let own = partition.location?.guid, booted != own { continue }
      for (index, image) in (states[partition.name]?.images ?? []).enumerated()
      where image.content == .signed && image.name.fileName.lowercased() == fileName {
        guard let file = try? open.files(of: partition.name)?.openFile(image.name.path),
          file.status.modified / 1_000_000_000 <= evidence.bootTime,
          let digest = try? Digest.of(file), let fingerprint = try? certificate?.fingerprint()
        else { continue }
        let record = ImageRecord(
          kernel: image.name.kernel, size: file.count, digest: digest, commandLine: "", certificate: fingerprint,
          inputs: [])
        let copy = ImageRecord.Copy(partition: partition.name, name: image.name, modified: file.status.modified)
        manifest.place(record, at: [copy])
        states[partition.name]?.images[index].content = .recorded(digest: digest, booted: nil)
      }
    }
  }

  private mutating func setBooted(_ digest: [UInt8], _ time: Int64) {
    manifest.update(digest) { $0.booted = time }
    for name in states.keys {
      for index in states[name]?.images.indices ?? 0..<0 where states[name]?.images[index].holds(digest) == true {
        states[name]?.images[index].content = .recorded(digest: digest, booted: time)
      }
    }
  }
}

/// Takes everything and keeps nothing.
private final class NullSink: ByteSink {
  func write(_ bytes: UnsafeRawBufferPointer) {}
  func patch(_ bytes: [UInt8], at offset: Int) {}
}
