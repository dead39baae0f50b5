// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import EFIData
internal import HostSystem
internal import Messages
internal import PortableExecutable

/// The entries that systemd-boot finds on its ESP, in its order (systemd 252 to 257, `boot.c`).
struct SystemdBootMenu {
  struct Entry {
    /// The name of its file in lower case, with boot counters.
    var id: String
    /// The program that it starts, from the root of the ESP.
    var program: String
    /// Whether it is a type 1 entry, whose initrd and command line are not signed.
    var isTypeOne: Bool
    var sortKey: String?
    var machineID: String?
    var version: String?
    /// Boots that are left until it counts as bad; nil without boot counting.
    var triesLeft: Int?
    var triesDone: Int?
    /// Initrds that do not exist.
    var missing: [String] = []
  }

  private(set) var entries: [Entry] = []
  /// Skipped files, one sentence each.
  private(set) var notes: [Message] = []

  /// More entries than any menu shows.
  private static let countLimit = 512

  /// Reads the entries.
  ///
  /// `machine` is in the words of systemd, such as `x64`.
  init(on volume: Volume, machine: String) {
    addImages(on: volume)
    addTypeOne(on: volume, machine: machine)
    entries.sort { Self.precedes($0, $1) }
  }

  private mutating func addImages(on volume: Volume) {
    let directory = UKIName.directory
    do {
      let names = try (volume.files.list(directory) ?? []).filter { name in
        !name.hasPrefix(".") && !name.hasPrefix("auto-") && name.lowercased().hasSuffix(".efi")
      }
      if names.count > Self.countLimit {
        notes.append(
          """
          \(volume.files.display(directory)) has \(names.count) UKIs; only the first \(Self.countLimit) are examined
          """)
      }
      for name in names.prefix(Self.countLimit) {
        // systemd-boot also skips what it cannot read.
        guard let file = try? volume.files.openFile("\(directory)/\(name)"), let release = Self.release(of: file) else {
          continue
        }
        var entry = Entry(id: name.lowercased(), program: "\(directory)/\(name)", isTypeOne: false)
        entry.sortKey = release["IMAGE_ID"] ?? release["ID"]
        entry.version = ["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"].lazy.compactMap { release[$0] }.first
        add(entry, suffix: ".efi")
      }
    } catch {
      notes.append("\(error); skipped")
    }
  }

  /// The content of `.osrel`; nil if systemd-boot hides the UKI, because it has none or no name in it.
  private static func release(of file: File) -> [String: String]? {
    guard let header = try? PEHeader(parsing: file, discardingCertificates: true),
      header.section(named: ".linux") != nil, let range = header.section(named: ".osrel")?.contentRange,
      let bytes = try? file.readBytes(at: range.lowerBound, count: min(range.count, 1 << 16), format: ".osrel")
    else { return nil }
    var values: [String: String] = [:]
    for line in bytes.prefix(while: { $0 != 0 }).split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
      let text = String(decoding: line, as: UTF8.self)
      guard !text.hasPrefix("#"), let mark = text.firstIndex(of: "=") else { continue }
      let value = text[text.index(after: mark)...].filter { $0 != "\"" && $0 != "'" }
      values[String(text[..<mark])] = String(value)
    }
    return ["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"].contains { values[$0] != nil } ? values : nil
  }

  private mutating func addTypeOne(on volume: Volume, machine: String) {
    do {
      let found = try TypeOneEntries.survey(on: volume.files)
      notes += found.notes
      for entry in found.entries {
        guard let path = entry.path, entry.architecture.map({ $0.lowercased() == machine }) ?? true,
          FirmwarePath.defect(of: String(entry.program.map { $0 == "/" ? "\\" : $0 })) == nil,
          (try? volume.open(entry.program)).flatMap({ $0 }) != nil
        else { continue }
        let missing = entry.initrds.prefix(32).filter { (try? volume.open($0)).flatMap { $0 } == nil }
        add(
          Entry(
            id: PathName(path).fileName.lowercased(), program: entry.program, isTypeOne: true, sortKey: entry.sortKey,
            machineID: entry.machineID, version: entry.version, missing: missing), suffix: ".conf")
      }
    } catch {
      notes.append("\(error); skipped")
    }
  }

  private mutating func add(_ entry: Entry, suffix: String) {
    var entry = entry
    (entry.triesLeft, entry.triesDone) = Self.tries(in: entry.id, suffix: suffix) ?? (nil, nil)
    entries.append(entry)
  }

  /// The counters in a name such as `a+3-1.efi`: tries left, and done.
  static func tries(in name: String, suffix: String) -> (left: Int?, done: Int?)? {
    guard name.hasSuffix(suffix) else { return nil }
    let parts = name.dropLast(suffix.utf8.count).split(separator: "+", omittingEmptySubsequences: false)
    guard parts.count > 1, let counter = parts.last else { return nil }
    let numbers = counter.split(separator: "-", omittingEmptySubsequences: false)
    guard 1...2 ~= numbers.count, numbers.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isASCIIDigit) }),
      let left = Int32(numbers[0]), let done = numbers.count == 2 ? Int32(numbers[1]) : 0
    else { return nil }
    return (Int(left), Int(done))
  }

  /// systemd-boot's order: entries without tries left last; those with a sort key first, by it; then by name, the newest
  /// version first.
  private static func precedes(_ left: Entry, _ right: Entry) -> Bool {
    let (leftIsBad, rightIsBad) = (left.triesLeft == 0, right.triesLeft == 0)
    if leftIsBad != rightIsBad { return rightIsBad }
    if (left.sortKey == nil) != (right.sortKey == nil) { return left.sortKey != nil }
    if let one = left.sortKey, let other = right.sortKey {
      if one != other { return one < other }
      if left.machineID != right.machineID { return (left.machineID ?? "") < (right.machineID ?? "") }
      let (older, newer) = (left.version ?? "", right.version ?? "")
      if LoaderVersion.isOlder(older, than: newer) || LoaderVersion.isOlder(newer, than: older) {
        return LoaderVersion.isOlder(newer, than: older)
      }
    }
    if LoaderVersion.isOlder(left.id, than: right.id) || LoaderVersion.isOlder(right.id, than: left.id) {
      return LoaderVersion.isOlder(right.id, than: left.id)
    }
    return (left.triesLeft ?? 0, right.triesDone ?? 0) > (right.triesLeft ?? 0, left.triesDone ?? 0)
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}

/// What decides which entry systemd-boot starts.
struct SystemdBootChoice {
  /// `LoaderEntryOneShot`.
  var once: String?
  /// `LoaderEntryDefault`.
  var variable: String?
  /// `LoaderEntryLastBooted`, for the default `@saved`.
  var last: String?
  /// The default in `loader.conf`.
  var configured: String?
  /// Why a default cannot be used, one sentence each.
  private(set) var notes: [Message] = []

  /// Characters; FAT's names have at most 255.
  private static let lengthLimit = 255

  /// Reads the variables, and `loader.conf` on the ESP.
  init(variables store: EFIVariableStore, on volume: Volume) {
    once = text(.loaderEntryOneShot, store)
    variable = text(.loaderEntryDefault, store)
    last = text(.loaderEntryLastBooted, store)
    do {
      let text = try volume.files.readFileIfPresent(LoaderConfiguration.path, limit: LoaderConfiguration.sizeLimit)
      configured = usable(text.flatMap { LoaderConfiguration.defaultEntry(in: $0) }, of: "loader.conf")
    } catch {
      notes.append("\(error); its default is unknown")
    }
  }

  private mutating func text(_ variable: EFIVariableName, _ store: EFIVariableStore) -> String? {
    guard let bytes = (try? store.read(variable.fileName)).flatMap({ $0 }),
      let content = try? EFIVariableContent(parsing: bytes)
    else { return nil }
    guard let text = EFIText.parse(content.data) else {
      notes.append("firmware variable \(variable.name) is not UTF-16 text; ignored")
      return nil
    }
    return text.isEmpty ? nil : usable(text, of: variable.name)
  }

  private mutating func usable(_ text: String?, of name: String) -> String? {
    guard let text, text.utf16.count > Self.lengthLimit else { return text }
    notes.append("the default entry in \(name) has \(text.utf16.count) characters, more than a file name; ignored")
    return nil
  }

  /// The entry that systemd-boot starts, as an index; nil if there is none.
  func index(in menu: SystemdBootMenu) -> Int? {
    func find(_ pattern: String?) -> Int? {
      guard let pattern = pattern?.lowercased() else { return nil }
      let wanted = pattern == "@saved" ? last?.lowercased() : pattern
      return wanted.flatMap { wanted in menu.entries.firstIndex { Glob.matches($0.id, wanted) } }
    }
    return find(once) ?? find(variable) ?? find(configured) ?? (menu.entries.isEmpty ? nil : 0)
  }
}
