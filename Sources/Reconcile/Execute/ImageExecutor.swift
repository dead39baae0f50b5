// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import Messages
internal import SigningKeys
internal import UnifiedKernelImage

/// Writes and removes the UKIs of a plan.
struct ImageExecutor: ~Copyable {
  private let host: Host
  private let plan: ApplyPlan
  let open: OpenESPs
  private var manifest: Manifest
  private var savedManifest: Manifest?
  /// The opened inputs of each kernel, or the error from opening them.
  private var parts: [Kernel: Result<ImageInputs.Open, any Error>] = [:]
  /// Digests of the UKIs written by this run, as in the manifest.
  private var made: [Kernel: [UInt8]] = [:]
  /// The UKIs built by this run.
  private var built: [Kernel: Built] = [:]
  /// UKIs that the firmware rejects by their digest, including those written by this run.
  private(set) var refused: Set<UKIName>
  private let signingTime: Result<Int64?, any Error>
  private var loadedIdentity: Result<SigningIdentity, any Error>?

  /// Results and failures since the caller last collected them.
  var outcomes: [ImageOutcome] = []
  var failures: [Failure] = []

  init(_ plan: ApplyPlan, _ host: Host) {
    self.host = host
    self.plan = plan
    open = OpenESPs(host, plan.esps.map(\.target))
    manifest = plan.manifest
    savedManifest = plan.savedManifest
    refused = plan.refused
    signingTime = Result { try host.buildTime }
  }

  mutating func execute(_ steps: [ImageChanges.Step], _ work: inout ESPWork) {
    for case .write(let kernel, _) in steps where !canWrite(kernel) { work.unusable.insert(kernel) }
    for (index, step) in steps.enumerated() {
      do {
        switch step {
        case .sweep(let path): try work.files.remove(path)
        case .write(let kernel, let keepsPrevious): try write(kernel, keepsPrevious: keepsPrevious, on: &work)
        case .remove(let name, let reason):
          let writesAhead = steps[index...].contains { if case .write = $0 { true } else { false } }
          // Do not make room for a UKI that cannot be built, and keep the last UKI until another one is in place.
          let isSafe = writesAhead ? work.unusable.isEmpty : !work.inPlace.isEmpty
          if isSafe { try remove(name, reason: reason, on: &work) } else { report(name.kernel, on: work, state: .kept) }
        }
      } catch {
        if case .write(let kernel, _) = step { report(kernel, on: work, state: .failed) }
        failures.append(Failure(adopting: error, of: "\(work.name)"))
      }
    }
  }

  /// What is known about a UKI on an ESP.
  func record(on esp: String, _ name: UKIName) -> ImageRecord? { manifest.image(on: esp, name) }

  /// Whether the UKI can be copied, or its inputs, the signing key and the signing time can be read.
  ///
  /// Writes nothing.
  private mutating func canWrite(_ kernel: Kernel) -> Bool {
    if source(of: kernel) != nil { return true }
    guard case .success = signingTime else { return false }
    return (try? openParts(of: kernel)) != nil && (try? signingIdentity()) != nil
  }

  /// Puts the kernel's UKI on the ESP: copies an existing one, or builds it there.
  ///
  /// If the old UKI is known to boot, it is kept as the previous one. The new UKI is first written under the previous
  /// UKI's name, then the two names are exchanged. So the old UKI always has a name that boots.
  private mutating func write(_ kernel: Kernel, keepsPrevious: Bool, on work: inout ESPWork) throws {
    let name = UKIName(kernel)
    let target = UKIName(kernel, isPrevious: keepsPrevious)
    try work.files.makeDirectory(UKIName.directory)
    host.progress("\(work.name): writing and verifying \(name.path.dropFirst())")
    var state = ImageOutcome.State.copied
    var written = try copy(kernel, to: target, on: work)
    if written == nil {
      state = .signed
      written = try build(kernel, to: target, on: work)
    }
    guard let (image, isProven) = written else { return }
    work.images.insert(target)
    try place(image, at: target, on: work)
    if keepsPrevious {
      let old = manifest.image(on: work.name, name)
      if try work.files.exchange(target.path, name.path) {
        if let old { try place(old, at: target, on: work, saving: false) }
      } else {
        // The running kernel cannot exchange names: the new UKI atomically replaces the old one.
        try work.files.rename(target.path, to: name.path)
        manifest.remove(target, on: work.name)
        work.images.remove(target)
      }
      work.images.insert(name)
      try place(image, at: name, on: work)
    }
    made[kernel] = image.digest
    if let reason = plan.chain?.refusal(of: image.authenticode, opening: { try work.files.openFile(name.path) }),
      refused.insert(name).inserted
    {
      failures.append(ApplyPlan.refusal(of: name, on: work.name, reason))
    }
    work.inPlace.append(kernel)
    report(kernel, on: work, state: state, isProven: isProven)
  }

  private mutating func place(
    _ image: ImageRecord, at name: UKIName, on work: ESPWork, saving: Bool = true
  ) throws {
    guard let status = try work.files.linkStatus(of: name.path) else {
      throw Failure("\(work.files.display(name.path)) vanished after it was written")
    }
    manifest.place(image, at: [ImageRecord.Copy(esp: work.name, name: name, modified: status.modified)])
    if saving { saveManifest() }
  }

  private func source(of kernel: Kernel) -> (image: ImageRecord, copy: ImageRecord.Copy)? {
    var digest = made[kernel]
    if case .bytes(let known, _) = plan.kernels.first(where: { $0.kernel == kernel })?.demand {
      digest = digest ?? known
    }
    guard let digest, let image = manifest.image(withDigest: digest),
      let copy = image.copies.first(where: { open.files(of: $0.esp) != nil })
    else { return nil }
    return (image, copy)
  }

  /// Copies the UKI from an ESP that has it; nil if no intact copy exists.
  private mutating func copy(_ kernel: Kernel, to name: UKIName, on work: ESPWork) throws -> Written? {
    struct DamagedSource: Error {}
    while let (image, copy) = source(of: kernel), let files = open.files(of: copy.esp) {
      let built = built[kernel].flatMap { $0.digest == image.digest ? $0 : nil }
      do {
        guard let file = try? files.openFile(copy.name.path) else { throw DamagedSource() }
        var isProven = false
        try work.files.replaceFile(
          name.path, provingMedium: true, progress: progress(of: name, image.size, on: work),
          verify: { written in
            do {
              try Self.check(written, is: image, built)
              isProven = written.isFromMedium
            } catch {
              // With damaged headers it is no longer an image at all.
              guard (try? image.describes(file)) == true else { throw DamagedSource() }
              throw error
            }
          },
          writing: { try $0.write(contentsOf: file) })
        return (image, isProven)
      } catch is DamagedSource {
        manifest.remove(copy.name, on: copy.esp)
      }
    }
    return nil
  }

  /// The UKI that was written, and whether all of it was read back from the medium.
  private typealias Written = (image: ImageRecord, isProven: Bool)

  /// Throws `Failure` or `ImageError` unless the file is the UKI of `image`.
  ///
  /// The inputs were hashed when it was built: comparing with them is cheaper than another digest.
  private static func check(_ file: File, is image: ImageRecord, _ built: Built?) throws {
    if let built { return try ImageSelfCheck.check(file, against: built.plan, result: built.result) }
    guard try image.describes(file) else {
      throw Failure(
        "\(file.path): the data read back differs from the data written", hint: "check the disk, which may be failing")
    }
  }

  /// What is kept of a UKI that was built, to compare its copies with.
  private struct Built {
    let plan: ImagePlan
    let result: ImageBuilder.Result
    var digest: [UInt8] { result.image.identity.value }
  }

  private mutating func build(_ kernel: Kernel, to name: UKIName, on work: ESPWork) throws -> Written? {
    let (inputs, opened) = try openParts(of: kernel)
    let identity = try signingIdentity()
    var image: ImageRecord?
    let written = try ImageWriter.write(
      opened.plan, to: name.path, in: work.files, provingMedium: true, signingBy: identity,
      signingTime: try signingTime.get(), progress: progress(of: name, opened.plan.size, on: work),
      furtherCheck: { image = try inputs.record(of: $0.image, opened) })
    built[kernel] = Built(plan: opened.plan, result: written.image)
    return image.map { ($0, written.isProven) }
  }

  private func progress(of name: UKIName, _ size: Int, on work: ESPWork) -> WriteProgress? {
    WriteProgress(of: "\(work.name): \(name.fileName)", total: size, on: host)
  }

  private mutating func openParts(of kernel: Kernel) throws -> (ImageInputs, ImageInputs.Open) {
    guard let inputs = plan.kernels.first(where: { $0.kernel == kernel })?.inputs else {
      throw Failure("the files for the UKI of kernel \(kernel.release) are unknown")
    }
    let opened = parts[kernel] ?? Result { try inputs.open(host) }
    parts[kernel] = opened
    return (inputs, try opened.get())
  }

  private mutating func remove(_ name: UKIName, reason: ImageChanges.RemovalReason, on work: inout ESPWork) throws {
    try work.files.remove(name.path)
    work.images.remove(name)
    manifest.remove(name, on: work.name)
    saveManifest()
    if !name.isPrevious, reason != .room { report(name.kernel, on: work, state: .removed) }
  }

  /// The key that signs UKIs and boot loaders; loaded once.
  ///
  /// Throws `Failure`.
  mutating func signingIdentity() throws -> SigningIdentity {
    if loadedIdentity == nil { loadedIdentity = Result { try plan.configuration.signingKey.load(from: host) } }
    guard let identity = try loadedIdentity?.get() else { throw Failure("the signing key is missing") }
    return identity
  }

  /// Saves the manifest.
  ///
  /// An error does not stop the run: without the record, the next run has to read the UKI again; without the boot
  /// entry, the UKI would not boot.
  mutating func saveManifest() {
    guard manifest != savedManifest else { return }
    do {
      try manifest.save(to: host.files)
      savedManifest = manifest
    } catch {
      failures.append(Failure(Manifest.path, error))
    }
  }

  private mutating func report(
    _ kernel: Kernel, on work: ESPWork, state: ImageOutcome.State, isProven: Bool? = nil
  ) {
    outcomes.append(ImageOutcome(kernel, on: work.name, state: state, isProven: isProven))
  }
}
