// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
internal import EFIData
package import HostSystem

/// How long the last boots took, in `/var/lib/pve-sb-uki/boots`.
///
/// pve-sb-uki-boot-ok.service adds one in each boot. Only boots with a measured time are kept, the last ten.
///
/// Format, one boot per line, oldest first, with `-` for unknown values and times in microseconds:
///
///     BOOT-ID SECONDS uki|systemd-boot|other FIRMWARE LOADING KERNEL menu|- SIZE SHA256 FILENAME
///
/// Other lines are ignored.
package struct BootHistory: Hashable, Sendable {
  /// A boot.
  package struct Boot: Hashable, Sendable {
    /// See random(4).
    package var bootID: String
    /// When the kernel started, in seconds since 1970 by the clock of that boot.
    package var time: Int64
    package var times: BootTimes
    /// The UKI that was booted; nil if it is not known or not in the manifest.
    package var image: Image?

    package init(bootID: String, time: Int64, times: BootTimes, image: Image?) {
      self.bootID = bootID
      self.time = time
      self.times = times
      self.image = image
    }
  }

  /// A UKI by its content.
  package struct Image: Hashable, Sendable {
    /// File name, such as `pve-6.8.12-4-pve.efi`.
    package var name: String
    /// Bytes.
    package var size: Int
    /// SHA-256 of the file.
    package var digest: [UInt8]

    package init(name: String, size: Int, digest: [UInt8]) {
      self.name = name
      self.size = size
      self.digest = digest
    }
  }

  /// Oldest first.
  package private(set) var boots: [Boot] = []

  package static let path = "/var/lib/pve-sb-uki/boots"
  private static let countLimit = 10
  private static let sizeLimit = 1 << 16

  package init() {}

  /// Loads the boots of the host; empty if the record does not exist or cannot be read.
  package static func load(from files: FileSystem) -> BootHistory {
    let text = (try? files.readTextIfPresent(path, limit: sizeLimit)).flatMap { $0 } ?? ""
    return BootHistory(parsing: text)
  }

  /// Loads the boots of the host and, unless `addingThis` is false, adds this boot if it is not recorded yet.
  package static func load(of host: Host, addingThis: Bool) -> BootHistory {
    var history = load(from: host.files)
    if addingThis, let boot = Boot(of: host) { history.add(boot) }
    return history
  }

  package init(parsing text: String) {
    boots = text.split(separator: "\n").suffix(Self.countLimit).compactMap { Boot(parsing: $0) }
  }

  package func serialize() -> String { boots.map { $0.line + "\n" }.joined() }

  /// Adds a boot unless it is the last one already.
  ///
  /// After kexec(2) the times are those of the boot before, to the microsecond: the new one was not measured.
  package mutating func add(_ boot: Boot) {
    guard !boots.contains(where: { $0.bootID == boot.bootID }), boots.last?.times != boot.times else { return }
    boots = (boots + [boot]).suffix(Self.countLimit)
  }

  /// Records this boot.
  ///
  /// Writes nothing if it is recorded already or nothing is measured. Throws `HostError`.
  package static func record(on host: Host) throws {
    let history = load(of: host, addingThis: true)
    guard history != load(from: host.files) else { return }
    try host.files.makeDirectory("/var/lib/pve-sb-uki")
    try host.files.replaceFile(path, content: Array(history.serialize().utf8))
  }
}

extension BootHistory.Boot {
  /// The running system's boot; nil if nothing is measured.
  package init?(of host: Host) {
    guard let bootID = host.bootID, let evidence = (try? BootEvidence(of: host)).flatMap({ $0 }),
      let times = BootTimes.read(from: host).times
    else { return nil }
    self.init(
      bootID: bootID, time: evidence.bootTime, times: times,
      image: BootHistory.Image(evidence, bootID, Manifest.load(from: host.files).manifest))
  }

  /// How long loading the UKI took, in microseconds for each byte; nil if unknown.
  ///
  /// With a menu, it is unknown how long a person has waited.
  package var loadingRate: Double? {
    guard let loading = times.loading, let size = image?.size, size > 0, !times.hasMenu else { return nil }
    return Double(loading) / Double(size)
  }

  fileprivate init?(parsing line: Substring) {
    let fields = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard fields.count == 10, fields[0].utf8.count == 36, let time = EFITime.unixSeconds(parsing: fields[1][...]),
      let program = BootTimes.Program(rawValue: fields[2])
    else { return nil }
    func microseconds(_ text: String) -> Int? { Int(text).flatMap { 1...BootTimes.limit ~= $0 ? $0 : nil } }
    self.init(
      bootID: fields[0], time: time,
      times: BootTimes(
        program: program, firmware: microseconds(fields[3]), loading: microseconds(fields[4]),
        kernel: microseconds(fields[5]), hasMenu: fields[6] == "menu"),
      image: BootHistory.Image(size: fields[7], digest: fields[8], name: fields[9]))
  }

  fileprivate var line: String {
    func word(_ number: Int?) -> String { number.map { "\($0)" } ?? "-" }
    let fields = [
      bootID, "\(time)", times.program.rawValue, word(times.firmware), word(times.loading), word(times.kernel),
      times.hasMenu ? "menu" : "-", word(image?.size), image?.digest.hexadecimal ?? "-", image?.name ?? "-",
    ]
    return fields.joined(separator: " ")
  }
}

extension BootHistory.Image {
  /// The UKI of the manifest that the system was booted from; nil unless exactly one can be it.
  ///
  /// A UKI that was replaced since now has the name of the previous one.
  fileprivate init?(_ evidence: BootEvidence, _ bootID: String, _ manifest: Manifest) {
    guard let name = evidence.imageName?.lowercased() else { return nil }
    let images = manifest.images.filter { image in
      image.made != bootID
        && image.copies.contains { copy in
          let names = [copy.name.fileName, UKIName(copy.name.kernel).fileName].map { $0.lowercased() }
          return names.contains(name) && copy.modified / 1_000_000_000 <= evidence.bootTime
        }
    }
    let booted = images.filter { image in image.booted.map { abs($0 - evidence.bootTime) < 60 } ?? false }
    guard let image = images.count == 1 ? images.first : booted.count == 1 ? booted.first : nil else { return nil }
    self.init(name: evidence.imageName ?? name, size: image.size, digest: image.digest)
  }

  fileprivate init?(size: String, digest: String, name: String) {
    guard let size = Int(size), 1...1 << 40 ~= size, let digest = [UInt8](hexadecimal: digest[...]),
      digest.count == 32, name != "-", UKIName(fileName: name) != nil
    else { return nil }
    self.init(name: name, size: size, digest: digest)
  }
}
