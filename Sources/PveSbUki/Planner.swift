// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
import Glibc
internal import HostSystem
internal import Messages
internal import SigningKeys
internal import UnifiedKernelImage

/// Looks at the host and its partitions and works out the plan of one run. Writes nothing.
struct Planner {
  let options: Apply
  let host: Host
  let configuration: Configuration
  let inventory: Kernel.Inventory
  private(set) var wanted: WantedKernels
  let survey: EFISystemPartition.Survey
  let open: OpenPartitions
  let commandLines: CommandLines
  /// Nil where the system tells nothing of its boot.
  let evidence: BootEvidence?
  /// The certificate in use; nil if there is none that can be read.
  let certificate: Certificate?
  /// The manifest, with what the partitions showed.
  var manifest: Manifest
  /// By partition.
  var states: [String: PartitionPlanner.State] = [:]
  /// Nil where there are no boot entries to be made.
  var entryPlanner: EntryPlanner?
  /// Nil until the chain is known, and if it lacks something.
  var loaders: LoaderFiles?
  var decision: ChainDecision?
  /// Partitions of which it is not known what boot loaders they need.
  var lackingLoader: Set<String> = []
  /// Authenticode digests that the firmware refuses whoever signed them; empty where it enforces nothing.
  var forbiddenDigests: Set<[UInt8]> = []
  /// What is to be said about the command lines.
  var lineRemarks: [LineRemark] = []
  /// Partitions whose file system the kernel cannot read, though it was unmounted by all that it says itself.
  private(set) var unreadable: Set<String> = []
  /// Images that were recorded as right and are not, by partition.
  var damaged: [(partition: String, name: ImageName)] = []
  var plan = Plan()

  init(_ options: Apply, _ host: Host, _ configuration: Configuration, _ survey: EFISystemPartition.Survey) throws {
    self.options = options
    self.host = host
    self.configuration = configuration
    self.survey = survey
    open = OpenPartitions(host)
    inventory = try Kernel.inventory(of: host.files)
    wanted = try WantedKernels(of: host, inventory, configuration)
    evidence = try BootEvidence(of: host)
    let source = KeySource(key: configuration.key, certificate: configuration.certificate, isHostPath: true)
    certificate = try? source.loadCertificate(from: host)
    commandLines = try CommandLines(of: host.files, for: inventory.kernels)
    let (manifest, note) = Manifest.load(from: host.files)
    self.manifest = manifest
    if let note { plan.note(note) }
  }

  var runningRelease: String? { host.isRunningSystem ? host.kernelRelease : nil }

  mutating func make() throws {
    plan.installed = inventory.kernels
    for line in commandLines.lines(for: inventory.kernels) { try judge(line) }
    for problem in survey.problems { plan.fail(Failure(problem.message, hint: problem.hint)) }
    readPartitions()
    decideChain()
    try planImages()
    // What was taken for an image and is damaged makes another plan.
    if readContents() { try planImages() }
    for note in wanted.notes { plan.note(note) }
    planBoot()
    planModuleSigning()
    for partition in plan.partitions { tell(partition.images, partition.name) }
  }

  /// Which kernels are to have an image, and what that takes on each partition.
  private mutating func planImages() throws {
    let standing = inventory.withoutInitrd.filter { kernel in
      states.values.contains { $0.images.contains { $0.name == ImageName(kernel) && $0.isOurs } }
    }
    wanted = try WantedKernels(of: host, inventory, standing: standing, configuration)
    plan.kernels = []
    for kernel in chosenKernels(standing) { plan.kernels.append(assess(kernel)) }
    markBooted()
    plan.partitions = []
    for partition in survey.partitions {
      guard let state = states[partition.name] else { continue }
      var planned = Plan.Partition(name: partition.name, free: state.free, images: PartitionPlan())
      withhold(&planned, state)
      planImages(&planned, state, reserve: 0)
      plan.partitions.append(planned)
    }
  }

  /// Who writes a line by hand may insist on it, so that what is wrong with one keeps no image from being made.
  private mutating func judge(_ line: CommandLine) throws {
    let rules = CommandLineRules(lengthLimit: KernelImage.usualCommandLineLimit, host: host)
    for finding in try rules.findings(in: line) {
      let remark = LineRemark(line: line, finding: finding)
      lineRemarks.append(remark)
      if finding.severity != .warning { plan.note(remark.message) }
    }
  }

  /// `reserve`: bytes that must stay free for what is no image.
  func planImages(_ partition: inout Plan.Partition, _ state: PartitionPlanner.State, reserve: Int) {
    var state = state
    state.free -= reserve
    partition.images = PartitionPlanner.plan(
      wantedImages(on: partition), on: state, inventory: inventory, running: runningRelease,
      removesOthers: options.kernels.isEmpty && !partition.holdsAccepted)
  }

  func wantedImages(on partition: Plan.Partition) -> [WantedImage] {
    plan.kernels.map { WantedImage($0.kernel, partition.withheld.contains($0.kernel) ? .none : $0.demand) }
  }

  private mutating func readPartitions() {
    for partition in survey.partitions {
      do {
        let files = try open.openForReading(partition)
        let reader = PartitionReader(
          partition: partition, files: files, certificate: certificate, paths: LoaderPath(try host.machine))
        let state = try reader.read(&manifest)
        states[partition.name] = state
        for file in state.salvaged {
          plan.note(
            """
            \(files.display(file.path)) (\(file.size >> 10) KiB) was made by a check of the file system; remove it if \
            nobody misses it
            """)
        }
      } catch {
        if let number = (error as? HostError)?.errno, [EIO, EROFS, EUCLEAN].contains(number) {
          unreadable.insert(partition.name)
        }
        plan.fail(Failure(partition.name, error))
      }
    }
  }

  /// The kernels whose image is looked after, in order of precedence; those that were not chosen keep what they have.
  private mutating func chosenKernels(_ standing: [Kernel]) -> [Plan.Kernel] {
    for kernel in inventory.withoutInitrd {
      if standing.contains(kernel) {
        guard options.kernels.isEmpty || options.kernels.contains(kernel.release) else { continue }
        plan.fail(
          Failure(
            "kernel \(kernel.release) has lost its initrd; its image still boots, but no longer follows changes",
            hint: "update-initramfs -c -k \(kernel.release)"))
      } else if options.kernels.isEmpty, options.expected != kernel.release {
        plan.note("kernel \(kernel.release) has no initrd yet, so it gets no image")
      }
    }
    for release in options.kernels + [options.expected].compactMap({ $0 }) {
      guard !(inventory.kernels + standing).contains(where: { $0.release == release }) else { continue }
      plan.fail(
        Failure(
          """
          kernel \(release) gets no image: /boot/vmlinuz-\(release), /boot/initrd.img-\(release) and \
          /lib/modules/\(release) are not all there
          """,
          hint: "install it again, or make its initrd with: update-initramfs -c -k \(release)"))
    }
    let extra = inventory.kernels.filter { kernel in
      options.kernels.contains(kernel.release) && !wanted.kernels.contains { $0.kernel == kernel }
    }
    let chosen = wanted.kernels.map {
      Plan.Kernel($0.kernel, $0.reasons, isStanding: standing.contains($0.kernel))
    }
    return chosen + extra.map { Plan.Kernel($0, []) }
  }

  private mutating func tell(_ steps: PartitionPlan, _ partition: String) {
    for (name, stay) in steps.stays.sorted(by: { $0.key.fileName < $1.key.fileName }) {
      let reason: Message =
        switch stay {
        case .running: "it is the running one"
        case .knownGood: "it is the one this machine was last booted from"
        case .last: "no other image is known to be right"
        }
      plan.note("kernel \(name.kernel.release) is gone or gets no image, but \(reason): its image stays")
    }
    for shortage in steps.shortages {
      plan.fail(
        Failure(
          """
          \(partition) has no room for the image of kernel \(shortage.kernel.release): it needs \
          \(shortage.needed >> 20) MiB, \(shortage.available >> 20) MiB are free or could be
          """,
          hint: """
            remove kernels that are no longer needed (apt autoremove --purge), make initrds smaller (MODULES=dep), \
            or set Keep= in \(Configuration.path)
            """))
    }
  }
}
