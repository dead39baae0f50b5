// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import UnifiedKernelImage

/// One run of `Apply` under its lock: what is wanted, what is there, and what became of it.
struct ApplyRun {
  let options: Apply
  let host: Host
  let configuration: Configuration
  let partition: EFISystemPartition
  let inventory: Kernel.Inventory
  var manifest: Manifest
  var result: Apply.Result
  private var identity: SigningIdentity?

  init(
    _ options: Apply, _ host: Host, _ configuration: Configuration, _ partition: EFISystemPartition
  ) throws {
    self.options = options
    self.host = host
    self.configuration = configuration
    self.partition = partition
    inventory = try Kernel.inventory(of: host.files)
    let (manifest, note) = Manifest.load(from: host.files)
    self.manifest = manifest
    result = Apply.Result(partition: partition.path)
    if let note { result.notes.append(note) }
  }

  /// Complete kernels that get an image: all, or as many as `Keep=` says and the running one.
  var wanted: [Kernel] {
    let kernels = inventory.kernels
    guard configuration.keep > 0 else { return kernels }
    return kernels.enumerated().filter { $0 < configuration.keep || isRunning($1) }.map(\.element)
  }

  func isRunning(_ kernel: Kernel) -> Bool { host.isRunningSystem && kernel.release == host.kernelRelease }

  mutating func perform() throws {
    let chosen = try chosenKernels()
    if !options.isDryRun { try removeLeftovers() }
    if !chosen.isEmpty {
      let commandLine = try CommandLine(of: host.files)
      if !commandLine.namesRoot {
        result.notes.append("the command line in \(commandLine.path) has no root=; most initrds then stop")
      }
      // What is right is known before the first write: images of gone kernels can make room for new ones.
      let states = chosen.map { kernel in Swift.Result { try assess(kernel, commandLine) } }
      if options.kernels.isEmpty { try removeGone(isLastChance: false) }
      for (kernel, state) in zip(chosen, states) { finish(kernel, state, commandLine) }
    }
    if options.kernels.isEmpty { try removeGone(isLastChance: true) }
    if !options.isDryRun { try manifest.save(to: host.files) }
    let order = inventory.kernels.map(\.release)
    result.images.sort { left, right in
      (order.firstIndex(of: left.kernel) ?? order.count) < (order.firstIndex(of: right.kernel) ?? order.count)
    }
  }

  private mutating func chosenKernels() throws -> [Kernel] {
    for kernel in inventory.withoutInitrd where options.kernels.isEmpty && options.expected != kernel.release {
      result.notes.append("kernel \(kernel.release) has no initrd yet, so it gets no image")
    }
    for release in options.kernels + [options.expected].compactMap({ $0 }) {
      guard !inventory.kernels.contains(where: { $0.release == release }) else { continue }
      result.failures.append(
        Failure(
          "kernel \(release) gets no image: /boot/vmlinuz-\(release), /boot/initrd.img-\(release) and "
            + "/lib/modules/\(release) are not all there",
          hint: "install it again, or make its initrd with: update-initramfs -c -k \(release)"))
    }
    guard !options.kernels.isEmpty else { return wanted }
    return inventory.kernels.filter { options.kernels.contains($0.release) }
  }

  /// Whether the image is right as it is. Puts an entry `current` into the result if so.
  private mutating func assess(_ kernel: Kernel, _ commandLine: CommandLine) throws -> Bool {
    let inputs = try ApplyInputs(kernel, commandLine, configuration, host.files)
    let path = imagePath(kernel)
    guard !options.isForced, let record = manifest.images[path],
      let current = try record.stillHolds(for: inputs, in: host.files)
    else { return false }
    manifest.images[path] = current
    add(kernel, .current)
    return true
  }

  private mutating func finish(
    _ kernel: Kernel, _ state: Swift.Result<Bool, any Error>, _ commandLine: CommandLine
  ) {
    do {
      if try state.get() { return }
      if !options.isDryRun { try build(ApplyInputs(kernel, commandLine, configuration, host.files)) }
      add(kernel, .signed)
    } catch {
      add(kernel, .failed)
      let failure = (error as? Failure) ?? Failure("EFI/Linux/pve-\(kernel.release).efi was not made", error)
      if !result.failures.contains(failure) { result.failures.append(failure) }
    }
  }

  private mutating func build(_ inputs: ApplyInputs) throws {
    let identity = try signingIdentity()
    let open = try inputs.open(host)
    result.notes += open.plan.notes.filter { !result.notes.contains($0) }
    try host.files.makeDirectory(partition.imageDirectory)
    try requireSpace(for: open.plan)
    let path = imagePath(inputs.kernel)
    var digest: [UInt8] = []
    _ = try ImageOutput.write(
      open.plan, to: path, in: host.files, signingBy: identity, signingTime: host.buildTime,
      furtherCheck: { digest = try Digest.of($0) })
    guard let status = try host.files.linkStatus(of: path) else { throw Failure("\(path) vanished after it was made") }
    let records = try zip(inputs.paths, open.files).map { path, file in
      InputRecord(path: path, status: file.status, digest: try Digest.of(file))
    }
    // Else the record could pair the digest of new content with the image of the old.
    for input in open.files { try input.requireUnchanged() }
    manifest.images[path] = ImageRecord(
      path: path, kernel: inputs.kernel, status: status, digest: digest, commandLine: inputs.commandLine.text,
      certificate: try identity.certificate.fingerprint(), inputs: records)
    try manifest.save(to: host.files)
  }

  private mutating func signingIdentity() throws -> SigningIdentity {
    if let identity { return identity }
    let source = KeySource(key: configuration.key, certificate: configuration.certificate, isHostPath: true)
    let loaded = try source.load(from: host)
    identity = loaded
    return loaded
  }

  /// The old image stays until the new one is complete, so room for all of it is needed; 64 KiB for signature,
  /// directory entries and rounding.
  private func requireSpace(for plan: ImagePlan) throws {
    let needed = plan.size + (64 << 10)
    let available = try host.files.availableSpace(at: partition.path)
    guard available < needed else { return }
    throw Failure(
      "\(host.files.display(partition.path)) has \(available >> 20) MiB free, an image needs \((needed >> 20) + 1) MiB",
      hint: "remove kernels that are no longer needed (apt autoremove --purge), or set Keep= in \(Configuration.path)")
  }

  func imagePath(_ kernel: Kernel) -> String { "\(partition.imageDirectory)/\(Self.fileName(kernel))" }

  static func fileName(_ kernel: Kernel) -> String { "pve-\(kernel.release).efi" }

  mutating func add(_ kernel: Kernel, _ state: Apply.Image.State) {
    result.images.append(
      Apply.Image(
        kernel: kernel.release, path: imagePath(kernel), name: "EFI/Linux/\(Self.fileName(kernel))", state: state))
  }
}
