// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

/// Recognises and judges programs on partitions; each is read once.
final class ProgramJudge {
  /// A program and what is known about it.
  struct Examination {
    var step: BootStep
    /// Nil if it is not a program that could be opened.
    var file: File?
    var header: PEHeader?
  }

  /// What starts a program: firmware, or a shim that runs.
  struct Starter {
    var route: TrustEvaluation.Route
    var shim: ShimProgram?
    static let firmware = Starter(route: .firmware)
  }

  private let database: Result<TrustDatabase, any Error>
  private let machine: Machine
  private let manifest: Manifest
  let readsAll: Bool
  /// Called before a program is read.
  private let progress: @Sendable (Message) -> Void
  private let damaged: Set<String>
  /// What the signatures of a file are; by partition and path in lower case.
  private var evidence: [String: Result<ImageEvidence, any Error>] = [:]

  /// - Parameters:
  ///   - database: the variables to judge with, or why they cannot be read.
  ///   - machine: the processor type of the firmware.
  ///   - manifest: the UKIs that pve-sb-uki has written.
  ///   - readsAll: whether to read these, too, rather than to trust their recorded digests.
  ///   - progress: called before a program is read.
  ///   - damaged: the keys of files that do not match the manifest.
  init(
    _ database: Result<TrustDatabase, any Error>, machine: Machine, manifest: Manifest, readsAll: Bool,
    progress: @escaping @Sendable (Message) -> Void, damaged: Set<String> = []
  ) {
    self.progress = progress
    self.damaged = damaged
    self.database = database
    self.machine = machine
    self.manifest = manifest
    self.readsAll = readsAll
  }

  /// Whether Secure Boot rejects programs at present; false if that is unknown.
  var isEnforced: Bool { (try? database.get())?.isEnforced ?? false }

  /// Whether there is anything to judge with.
  private var hasSecureBoot: Bool { (try? database.get())?.hasLists ?? true }

  /// Recognises a program and judges it as `starter` would.
  func examine(_ path: String, on volume: Volume, by starter: Starter) -> Examination {
    var step = BootStep(
      program: .unknown, path: path, partition: volume.name, isPartitionReadable: true, verdict: .unknown, reason: "")
    do {
      guard let file = try volume.open(path) else {
        step.verdict = .missing
        step.reason = "the file does not exist"
        return Examination(step: step)
      }
      let header = try PEHeader(parsing: file, discardingCertificates: true)
      step.program = BootStep.Program(of: file, header, path: path)
      if step.program == .foreignImage, isOwn(file, header, path: path, on: volume) { step.program = .ownImage }
      try header.requireStartable()
      guard header.machine == machine else {
        step.verdict = .damaged
        step.reason = "it is for \(header.machine), this machine is \(machine)"
        return Examination(step: step)
      }
      progress("\(volume.name): reading \(path.dropFirst())")
      try judge(&step, file, header, on: volume, by: starter)
      return Examination(step: step, file: file, header: header)
    } catch let error as ParseError {
      step.verdict = .damaged
      step.reason = Message(error)
    } catch {
      step.reason = "it cannot be read: \(error)"
    }
    return Examination(step: step)
  }

  private func judge(
    _ step: inout BootStep, _ file: File, _ header: PEHeader, on volume: Volume, by starter: Starter
  ) throws {
    guard hasSecureBoot else {
      step.verdict = .starts
      step.reason = "this firmware has no Secure Boot"
      return
    }
    let database: TrustDatabase
    do {
      database = try self.database.get()
    } catch {
      step.reason = "the firmware's key lists cannot be read"
      return
    }
    let evidence = try evidence(of: file, header, step.path ?? "", on: volume, database)
    let result = try TrustEvaluation(database, shim: starter.shim).judge(evidence, via: starter.route)
    step.isUnsigned = !evidence.isSigned
    step.reason = result.reason
    step.verdict =
      switch result.verdict {
      case .starts: .starts
      case .rejected: .rejected
      case .depends: .depends
      }
  }

  /// Reads a shim to judge with; nil if it cannot be read.
  func shim(_ file: File, _ path: String, on volume: Volume) -> ShimProgram? {
    guard let database = try? self.database.get() else { return nil }
    let directory = ProgramDirectory(PathName(path).directory, in: volume.files)
    return try? ShimProgram(of: file, in: [directory], database: database)
  }

  private func evidence(
    of file: File, _ header: PEHeader, _ path: String, on volume: Volume, _ database: TrustDatabase
  ) throws -> ImageEvidence {
    let key = Self.key(volume.name, path)
    if let known = evidence[key] { return try known.get() }
    let found = Result {
      try ImageEvidence(of: file, for: database, digest: recordedDigest(of: file, header, path, on: volume))
    }
    evidence[key] = found
    return try found.get()
  }

  /// A file on a FAT partition, as a word.
  static func key(_ partition: String, _ path: String) -> String { "\(partition):\(path.lowercased())" }

  // MARK: UKIs of pve-sb-uki

  /// The digest that the manifest has for the unchanged file; nil if it is not known, or if everything is read.
  private func recordedDigest(of file: File, _ header: PEHeader, _ path: String, on volume: Volume) -> [UInt8]? {
    guard !readsAll, let esp = volume.esp, !damaged.contains(Self.key(esp.name, path)) else { return nil }
    guard let name = Self.ukiName(path) else { return copy(of: file, header, on: volume)?.authenticode }
    guard let image = manifest.image(on: esp.name, name), image.size == file.count,
      image.copy(on: esp.name, name)?.modified == file.status.modified
    else { return nil }
    return image.authenticode
  }

  /// Whether it is a UKI of pve-sb-uki: by its name on an ESP of the host, or because it is a copy of one on the same ESP.
  private func isOwn(_ file: File, _ header: PEHeader, path: String, on volume: Volume) -> Bool {
    guard volume.esp != nil else { return false }
    return Self.ukiName(path) != nil || copy(of: file, header, on: volume) != nil
  }

  /// The name of pve-sb-uki's UKI at the path; nil for any other path.
  private static func ukiName(_ path: String) -> UKIName? {
    let path = PathName(path)
    guard path.directory.lowercased() == UKIName.directory.lowercased() else { return nil }
    return UKIName(fileName: path.fileName.lowercased())
  }

  /// The UKI in the manifest, on the same ESP, with the same size, headers and signatures.
  ///
  /// The signature covers the rest: the firmware rejects the file if that was changed.
  private func copy(of file: File, _ header: PEHeader, on volume: Volume) -> ImageRecord? {
    guard let esp = volume.esp else { return nil }
    func isSame(_ name: UKIName) -> Bool {
      guard let other = try? volume.open(name.path), other.count == file.count,
        let its = try? PEHeader(parsing: other, discardingCertificates: true), its.bytes == header.bytes
      else { return false }
      return Self.signatures(other, its) == Self.signatures(file, header)
    }
    return manifest.images.first { image in
      image.size == file.count && image.copies.contains { $0.esp == esp.name && isSame($0.name) }
    }
  }

  /// The bytes after the sections; nil if they cannot be read or are too many for signatures.
  private static func signatures(_ file: File, _ header: PEHeader) -> [UInt8]? {
    let count = file.count - header.endOfSections
    guard 0...1 << 20 ~= count else { return nil }
    return try? file.readBytes(at: header.endOfSections, count: count, format: PEHeader.format)
  }
}
