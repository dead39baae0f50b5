// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import BootPaths
internal import EFIData
internal import HostSystem
internal import Messages
internal import SecureBoot
internal import SigningKeys

/// Whether this machine starts what a boot entry leads to (promise I3).
struct EntryTrust {
  private let host: Host
  private let file: DevicePath.File
  private let option: LoadOption
  private let configuration: Configuration

  /// Nil if the entry does not lead to a file.
  ///
  /// Throws `BootEnvironmentError` or `HostError` if the settings cannot be read.
  init?(of option: LoadOption?, on host: Host) throws {
    guard let option, let file = option.file else { return nil }
    self.host = host
    self.file = file
    self.option = option
    configuration = try Configuration(of: host.files)
  }

  /// Throws `Failure` if Secure Boot is enforced and the program is rejected.
  ///
  /// Through shim, judges the program that shim starts, and shim itself. A program that cannot be opened is judged by the
  /// signing key's certificate.
  func require(_ number: BootEntryNumber) throws {
    let database = try TrustDatabase(readingFrom: host)
    guard database.isEnforced else { return }
    let esp = try ESPSurvey(of: host, configuration).esps
      .first { $0.location?.isSamePartition(as: file.partition) == true }
    let files = try esp?.open(on: host, for: .reading)
    let route: TrustEvaluation.Route = isShim ? .shim : .firmware
    let evaluation = TrustEvaluation(database, shim: try isShim ? files.flatMap { try shim(in: $0, database) } : nil)
    if let path = isShim ? secondStage : file.path, let program = try? files?.openFile(path) {
      let result = try describing(path) { try evaluation.judge(program, via: route) }
      guard !result.isAccepted else { return }
      throw Failure(
        "this machine rejects \(number.name), \(path.dropFirst()): \(result.reason)",
        hint: "choose another entry: pve-sb-uki boot list")
    }
    let certificate = try configuration.signingKey.loadCertificate(from: host)
    if case .refused(let reason, let hint) = try BootTrust.evaluate(
      certificate: certificate, by: evaluation, via: route)
    {
      throw Failure("this machine rejects \(number.name): \(reason)", hint: hint)
    }
  }

  private var isShim: Bool { PathName(file.path).fileName.lowercased().hasPrefix("shim") }

  private func shim(in files: FileSystem, _ database: TrustDatabase) throws -> ShimProgram? {
    guard let program = try? files.openFile(file.path) else { return nil }
    let directory = ProgramDirectory(PathName(file.path).directory, in: files)
    return try describing(file.path) { try ShimProgram(of: program, in: [directory], database: database) }
  }

  /// The path that tells shim what to start; nil if it starts its default.
  private var secondStage: String? {
    guard case .file(let path) = ShimOption(parsing: option.optionalData, shim: file.path) else { return nil }
    return path
  }
}
