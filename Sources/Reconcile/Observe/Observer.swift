// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import Glibc
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot
internal import SigningKeys
internal import UnifiedKernelImage

/// Observes a host, its ESPs and its firmware.
///
/// Writes nothing and mostly uses stat(2). It only reads files on an ESP that are not in the manifest, and files of the
/// host that changed since their UKI was built.
final class Observer {
  let host: Host
  let configuration: Configuration
  private let options: ApplyOptions
  let survey: ESPSurvey
  let open: OpenESPs
  private let inventory: KernelInventory
  private let requests: KernelRequests
  /// Nil if the system does not say how it was booted.
  let evidence: BootEvidence?
  let certificate: Certificate?
  private let variants: ImageVariants
  private let commandLines: CommandLines
  private let lineFindings: [LineFinding]
  private let savedManifest: Manifest?
  private let manifestNote: Message?

  // Filled while observing.
  var manifest: Manifest
  var contents: [String: ESPContents] = [:]
  private var readFailures: [Failure] = []
  private var unreadable: Set<String> = []
  private var fileNotes: [Message] = []
  private var damaged: [(esp: String, name: UKIName)] = []
  /// ESPs whose UKIs were read in full.
  private var readWhole: Set<String> = []

  /// Observes the host and its ESPs.
  ///
  /// Throws errors that concern all UKIs, such as an unreadable command line.
  init(of live: Host, configuration: Configuration, survey: ESPSurvey, options: ApplyOptions) throws {
    let host = live.remembering()
    self.host = host
    self.configuration = configuration
    self.options = options
    self.survey = survey
    open = OpenESPs(host, survey.esps)
    inventory = try KernelInventory(of: host.files)
    requests = try KernelRequests(of: host, configuration)
    evidence = try BootEvidence(of: host)
    certificate = try? configuration.signingKey.loadCertificate(from: host)
    variants = try ImageVariants(of: host, configuration)
    commandLines = try CommandLines(of: host.files, for: inventory.kernels, adding: variants.guards)
    (manifest, manifestNote) = Manifest.load(from: host.files)
    savedManifest = manifestNote == nil ? manifest : nil
    let rules = CommandLineRules(lengthLimit: KernelImage.usualCommandLineLimit, host: host)
    let running = host.isRunningSystem ? try? CommandLine.running(in: host.files) : nil
    let proven = running.map { CommandLineWord.split($0) }
    lineFindings = commandLines.lines(for: inventory.kernels).flatMap { line in
      rules.findings(in: line).map {
        LineFinding(line: line, finding: $0, isProven: BootProfile.withoutGuards(line.words) == proven)
      }
    }
    for esp in survey.esps { read(esp) }
  }

  private func read(_ esp: ESP) {
    do {
      let files = try open.openForReading(esp)
      let reader = ESPReader(
        esp: esp, files: files, certificate: certificate, paths: LoaderPath(try host.machine),
        installed: inventory.present)
      let found = try reader.read(&manifest)
      contents[esp.name] = found
      fileNotes += found.notes(in: files)
    } catch {
      if let number = (error as? HostError)?.errno, [EIO, EROFS, EUCLEAN].contains(number) {
        unreadable.insert(esp.name)
      }
      readFailures.append(Failure(esp.name, error))
    }
  }

  /// Reads the UKIs of these ESPs in full and compares them with the manifest.
  ///
  /// Each ESP is read once.
  ///
  /// The manifest recognises a file by size and time, which damage does not change. Before a UKI is removed, the others
  /// must be known to be intact: the one to remove may be the last good one.
  ///
  /// Returns whether a new damaged UKI was found. It then no longer counts as pve-sb-uki's or as bootable.
  func readImages(on names: [String]) -> Bool {
    let before = damaged.count
    for name in names where readWhole.insert(name).inserted {
      guard contents[name] != nil, let files = open.files(of: name) else { continue }
      for image in contents[name]?.images ?? [] {
        guard case .recorded(let digest, _) = image.content else { continue }
        host.progress("\(name): reading \(image.name.path.dropFirst())")
        let record = manifest.image(withDigest: digest)
        let isRight = try? record?.describes(files.openFile(image.name.path))
        guard isRight != true else { continue }
        contents[name]?.set(image.name, .unknown)
        manifest.remove(image.name, on: name)
        damaged.append((name, image.name))
      }
    }
    return damaged.count > before
  }

  /// The observation so far.
  ///
  /// Throws `HostError` if files of the host cannot be read.
  func observe() throws -> HostObservation {
    let chain = decideChain()
    let decision = try? chain?.get()
    let choice = KernelChoice(inventory, requests: requests, contents: contents, options: options)
    var sources: [Kernel: ImageSource] = [:]
    for planned in choice.kernels where choice.isChosen(planned) {
      sources[planned.kernel] = source(of: planned.kernel)
    }
    let key = needsKey(sources, decision) ? configuration.signingKey.availability(on: host) : nil
    if certificate == nil, key?.absence != nil {
      for (kernel, source) in sources { if case .unusable = source { sources[kernel] = .waiting } }
    }
    let firmware = observeFirmware()
    let trial = observeTrial(firmware)
    markBooted(trial)
    let accepted = decision.map { acceptedImages($0) } ?? [:]
    let refusals = decision.map { self.refusals(by: $0) } ?? [:]
    let loaders = decision.flatMap { observeLoaders($0) }
    return HostObservation(
      configuration: configuration, survey: survey, contents: contents, readFailures: readFailures,
      unreadable: unreadable, fileNotes: fileNotes, damaged: damaged, inventory: inventory,
      running: requests.running,
      choice: choice, sources: sources, variants: variants, evidence: evidence, trial: trial,
      lineFindings: lineFindings,
      exposures: SecretFiles.exposures(configuration, on: host), key: key, certificate: certificate,
      certificateWarning: certificate?.validityWarning(on: host), chain: chain,
      refusals: refusals,
      staged: Enrolment.removals(
        contents, open, certificate: certificate, database: decision?.evaluation.database, on: host),
      accepted: accepted, manifest: manifest,
      savedManifest: savedManifest, manifestNote: manifestNote,
      loaders: loaders?.programs, bootFiles: loaders?.files ?? [:],
      loaderDefault: decision.flatMap {
        LoaderDefaultObservation(of: host, decision: $0, open: open, trusted: trustedImages(), options: options)
      },
      firmware: firmware, dkms: dkms())
  }

  // MARK: Images

  private func source(of kernel: Kernel) -> ImageSource {
    do {
      let inputs = try ImageInputs(
        kernel, commandLine: commandLines.line(for: kernel), variants: variants, configuration: configuration,
        on: host)
      let preview = ImagePreview(of: inputs, on: host)
      if !options.isForced, let known = try recordedImage(preview) ?? adoptedImage(preview) {
        return .recorded(digest: known.digest, size: known.size, inputs: inputs)
      }
      let plan = try preview.opened().plan
      return .toBuild(size: plan.size + ImageSigner.signatureRoom, notes: plan.notes, inputs: inputs)
    } catch {
      return .unusable(Failure(adopting: error, of: "EFI/Linux/\(UKIName(kernel).fileName) cannot be built"))
    }
  }

  /// Whether something may have to be signed, or a person asks.
  private func needsKey(_ sources: [Kernel: ImageSource], _ decision: ChainDecision?) -> Bool {
    if options.isDryRun || certificate == nil { return true }
    // A token is only asked for UKIs, since that takes time.
    if decision?.chain.hasSystemdBoot == true, configuration.key.hasPrefix("/") { return true }
    return sources.values.contains { if case .toBuild = $0 { true } else { false } }
  }

  /// The UKI in the manifest that these inputs would produce again.
  private func recordedImage(_ preview: ImagePreview) throws -> ImageRecord? {
    for image in manifest.images {
      switch try preview.inputs.compare(with: image, in: host.files) {
      case .same: return image
      case .uncertain:
        guard try preview.isSame(as: image) else { continue }
        let current = try preview.inputs.records(of: preview.opened())
        manifest.update(image.digest) { $0.inputs = current }
        return image
      case .different: continue
      }
    }
    return nil
  }

  /// A UKI on an ESP that is missing from the manifest but matches what would be built now.
  ///
  private func adoptedImage(_ preview: ImagePreview) throws -> ImageRecord? {
    let name = UKIName(preview.inputs.kernel)
    var adopted: ImageRecord?
    for esp in survey.esps {
      guard contents[esp.name]?.images.contains(where: { $0.name == name && $0.content == .signed }) == true,
        let file = try open.files(of: esp.name)?.openFile(name.path)
      else { continue }
      let identity = try ImageIdentity(of: file)
      guard try identity.authenticode == preview.digest() else { continue }
      var record = try preview.inputs.record(of: identity, size: file.count, preview.opened())
      record.made = nil
      place(record, at: name, on: esp, modified: file.status.modified)
      adopted = record
    }
    return adopted
  }

  func place(_ record: ImageRecord, at name: UKIName, on esp: ESP, modified: Int64) {
    manifest.place(record, at: [ImageRecord.Copy(esp: esp.name, name: name, modified: modified)])
    contents[esp.name]?.set(name, .recorded(digest: record.digest, booted: nil))
  }

  func setBooted(_ digest: [UInt8], _ time: Int64) {
    manifest.update(digest) { $0.booted = time }
    for esp in contents.keys {
      for image in contents[esp]?.images ?? [] where image.holds(digest) {
        contents[esp]?.set(image.name, .recorded(digest: digest, booted: time))
      }
    }
  }

  /// Why the boot chain rejects existing UKIs of the trusted key, by SHA-256 of the file.
  private func refusals(by decision: ChainDecision) -> [[UInt8]: Message] {
    var refusals: [[UInt8]: Message] = [:]
    for record in manifest.images {
      guard let copy = record.copies.first(where: { contents[$0.esp] != nil }) else { continue }
      func file() throws -> File? { try open.files(of: copy.esp)?.openFile(copy.name.path) }
      var digest = record.authenticode
      if digest == nil, decision.evaluation.database.isEnforced, let file = try? file() {
        digest = try? SignedImage(parsing: file).digest(.sha256, of: file)
        manifest.update(record.digest) { $0.authenticode = digest }
      }
      refusals[record.digest] = decision.refusal(of: digest, opening: file)
    }
    return refusals
  }

  /// The lower-case file names of UKIs that are intact and signed with the current certificate, by readable ESP.
  private func trustedImages() -> [String: Set<String>] {
    let fingerprint = try? certificate?.fingerprint()
    var names: [String: Set<String>] = [:]
    for (esp, found) in contents {
      let own = found.own.filter { manifest.image(on: esp, $0)?.certificate == fingerprint }
      names[esp] = Set(own.map { $0.fileName.lowercased() })
    }
    return names
  }

  // MARK: Firmware and boot loaders

  private func decideChain() -> Result<ChainDecision, Failure>? {
    guard let certificate else { return nil }
    do {
      let decision = try ChainDecision(
        of: host, configuration: configuration, certificate: certificate, evidence: evidence,
        esps: survey.esps.compactMap { contents[$0.name] == nil ? nil : open.files(of: $0.name) })
      return .success(decision)
    } catch {
      return .failure(Failure(adopting: error, of: "the boot chain"))
    }
  }

  /// The UKIs that the machine starts although it would reject newly signed ones, for example because a new key is not
  /// enrolled yet.
  private func acceptedImages(_ decision: ChainDecision) -> [String: Set<UKIName>] {
    guard case .refused = decision.trust, let certificate else { return [:] }
    let fingerprint = try? certificate.fingerprint()
    var accepted: [String: Set<UKIName>] = [:]
    for (esp, found) in contents {
      guard let files = open.files(of: esp) else { continue }
      // As many as `ESPReader` examines.
      var budget = ESPReader.countLimit
      let names = found.images.filter { image in
        if !inventory.present.contains(image.name.kernel.release), !image.isOurs {
          budget -= 1
          if budget < 0 { return false }
        }
        let known = manifest.image(on: esp, image.name)
        return image.content != .signed && (known == nil || known?.certificate != fingerprint)
          && (try? isAccepted(image, in: files, by: decision)) == true
      }
      accepted[esp] = Set(names.map(\.name))
    }
    return accepted
  }

  private func isAccepted(_ image: PresentImage, in files: FileSystem, by decision: ChainDecision) throws -> Bool {
    // UKIs in the manifest are intact, and their digests are known.
    let digest: [UInt8]? =
      if case .recorded(let digest, _) = image.content { manifest.image(withDigest: digest)?.authenticode } else { nil }
    let file = try files.openFile(image.name.path)
    return try decision.evaluation.judge(
      ImageEvidence(of: file, for: decision.evaluation.database, digest: digest), via: decision.route
    ).isAccepted
  }

  private func observeLoaders(
    _ decision: ChainDecision
  ) -> (programs: Result<LoaderPrograms, Failure>, files: [String: Result<BootFiles, Failure>])? {
    guard let certificate else { return nil }
    do {
      let loaders = try LoaderFiles(
        decision.chain, writesRemovablePath: configuration.writesRemovablePath, certificate: certificate, on: host)
      var found: [String: Result<BootFiles, Failure>] = [:]
      for (esp, contents) in contents {
        guard let files = open.files(of: esp) else { continue }
        do {
          found[esp] = .success(
            BootFiles(
              loaders: try loaders.observe(files, images: contents.own, isPreferred: decision.trust.isAccepted),
              typeOne: try TypeOneEntries.survey(on: files)))
        } catch {
          found[esp] = .failure(Failure(adopting: error, of: "\(esp)"))
        }
      }
      return (.success(loaders.programs), found)
    } catch {
      return (.failure(Failure(adopting: error, of: "the boot chain")), [:])
    }
  }

  private func observeFirmware() -> FirmwareObservation {
    let store = host.variables
    do {
      // udev creates a link for each GPT partition, named after its unique GUID.
      let links = try host.files.list("/dev/disk/by-partuuid")
      let partitions = links.map { Set($0.compactMap { GUID($0) }) }
      // A machine booted by UEFI firmware has variables, or reading them fails with a reason.
      guard try store.isPresent || host.isRunningSystem && host.files.exists("/sys/firmware/efi") else {
        return FirmwareObservation(variables: nil, partitions: partitions)
      }
      return FirmwareObservation(
        variables: .success(try BootVariables(readingFrom: store)), partitions: partitions)
    } catch {
      return FirmwareObservation(variables: .failure(error), partitions: nil)
    }
  }

  private func dkms() -> Result<DKMSFiles, Failure> {
    do {
      return .success(try DKMSFiles(of: host.files))
    } catch {
      return .failure(Failure("dkms", error))
    }
  }
}
