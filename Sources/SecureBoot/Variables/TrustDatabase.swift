// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import EFIData
package import HostSystem
package import Messages

/// The EFI variables that decide what the firmware and shim start: those of this machine, of a directory, or computed.
///
/// A missing variable counts as empty. Damaged lists are used as far as they can be read; `ignoredEntries` names the rest.
package struct TrustDatabase: Sendable {
  /// Whether Secure Boot is on; nil if the variable does not exist (BIOS boot, container, `--root`).
  package var secureBootEnabled: Bool?
  /// Whether the firmware is in Setup Mode and accepts unsigned keys; nil if the variable does not exist.
  package var setupMode: Bool?
  /// The firmware starts images signed by these certificates or with these digests.
  package var db = TrustList(name: "db")
  /// The firmware and shim reject these.
  package var dbx = TrustList(name: "dbx")
  /// Authorities for time stamps, which can save a signature from a revocation with a time.
  package var dbt = TrustList(name: "dbt")
  /// shim, but not the firmware, starts these.
  package var mokList = TrustList(name: "MokListRT")
  /// shim rejects these.
  package var mokListX = TrustList(name: "MokListXRT")
  /// Whether shim's own checks are disabled (`mokutil --disable-validation`).
  package var isShimValidationDisabled = false
  /// Whether shim ignores db (`mokutil --ignore-db`).
  var shimIgnoresDB = false
  /// Whether shim requires images to be NX compatible (`MokPolicy`).
  var shimRequiresNX = false
  /// What shim found out about the firmware's memory protection at boot.
  var memoryProtection = MemoryProtection()
  /// The content of `SbatLevelRT`; nil if this machine was not booted by shim.
  package var revocationLevel: [UInt8]?
  /// The pending request of `mokutil --set-sbat-policy`.
  var revocationPolicy: UInt8?
  /// Skipped entries and damaged lists, each as a sentence that names its variable.
  package private(set) var ignoredEntries: [Message] = []

  /// Whether unsigned images are rejected: Secure Boot is on and the firmware is not in Setup Mode.
  package var isEnforced: Bool { secureBootEnabled == true && setupMode != true }

  /// Whether there is anything to judge with: Secure Boot, or a list of what it starts.
  package var hasLists: Bool { secureBootEnabled != nil || !db.isEmpty }

  /// Whether shim has started this machine: it then publishes its lists.
  package var isBootedByShim: Bool { mokList.isPresent || revocationLevel != nil }

  /// A machine with empty lists.
  package init() {}

  /// Reads the variables of a host.
  ///
  /// Throws `HostError` if a variable exists but cannot be read.
  package init(readingFrom host: Host) throws {
    try self.init(readingFrom: host.variables)
  }

  /// Reads the variables of a store, and what shim publishes only in its table in memory.
  ///
  /// Data of db and dbx that the caller has read is used instead. Throws `HostError` if a variable exists but cannot be
  /// read.
  package init(readingFrom store: EFIVariableStore, db known: [UInt8]? = nil, dbx knownForbidden: [UInt8]? = nil) throws
  {
    func data(_ variable: EFIVariableName) throws -> [UInt8]? { try Self.data(of: variable, store) }
    func flag(_ variable: EFIVariableName) throws -> Bool? { try data(variable)?.first.map { $0 == 1 } }
    secureBootEnabled = try flag(.secureBoot)
    setupMode = try flag(.setupMode)
    if let content = try known ?? data(.signatureDatabase) {
      db = TrustList(name: "db", content: content, notes: &ignoredEntries)
    }
    if let content = try knownForbidden ?? data(.forbiddenDatabase) {
      dbx = TrustList(name: "dbx", content: content, notes: &ignoredEntries)
    }
    if let content = try data(.timestampDatabase) {
      dbt = TrustList(name: "dbt", content: content, notes: &ignoredEntries)
    }
    if let content = try data(.machineOwnerKeys) {
      mokList = TrustList(name: "MokListRT", content: content, notes: &ignoredEntries)
    }
    // shim looks up the whole MokListX, of which MokListXRT may be a part only.
    if let denied = try Self.wholeShimList(.forbiddenMachineOwnerKeys, store) {
      mokListX = TrustList(name: "MokListXRT", content: denied, notes: &ignoredEntries)
    }
    try noteUnusedKeys(store)
    func shimData(_ variable: EFIVariableName) throws -> [UInt8]? {
      try data(variable) ?? store.shimTableEntry(variable.name)
    }
    isShimValidationDisabled = try shimData(.shimValidationDisabled)?.first == 1
    shimIgnoresDB = try shimData(.shimIgnoresDatabase)?.first == 1
    shimRequiresNX = try (shimData(.shimPolicy)?.first ?? 0) & 1 != 0
    revocationLevel = try shimData(.revocationLevel)
    revocationPolicy = try data(.revocationPolicy)?.first
    if let text = try store.shimTableEntry("HSIStatus") { memoryProtection = MemoryProtection(parsing: text) }
  }

  /// The same machine with Secure Boot on.
  package var enforced: TrustDatabase {
    var other = self
    other.secureBootEnabled = true
    other.setupMode = false
    return other
  }

  /// The content of a list that shim publishes; nil if it does not exist.
  ///
  /// From shim's table in memory, else from the variable and its continuations, such as MokListXRT1: shim splits what is
  /// too large for a variable. Throws `HostError`.
  package static func wholeShimList(_ variable: EFIVariableName, _ store: EFIVariableStore) throws -> [UInt8]? {
    if let entry = try store.shimTableEntry(variable.name) { return entry }
    guard var content = try data(of: variable, store) else { return nil }
    for number in 1...999 {
      let next = EFIVariableName(name: "\(variable.name)\(number)", vendor: variable.vendor)
      guard let part = try data(of: next, store) else { break }
      content += part
    }
    return content
  }

  /// Notes the keys that the kernel knows from shim's table or from continuations of MokListRT.
  ///
  /// shim itself looks up only MokListRT when it judges an image.
  private mutating func noteUnusedKeys(_ store: EFIVariableStore) throws {
    guard let whole = try Self.wholeShimList(.machineOwnerKeys, store) else { return }
    var notes: [Message] = []
    let others = Set(TrustList(name: "MokListRT", content: whole, notes: &notes).certificates)
      .subtracting(mokList.certificates)
    for certificate in others.sorted(by: { $0.displayName < $1.displayName }) {
      ignoredEntries.append(
        "\(certificate.displayName) is in the MOK list, but not in the part that shim uses for images (MokListRT)")
    }
  }

  /// Returns the variable's data; an empty file is an error, since it must not count as an empty dbx.
  private static func data(of variable: EFIVariableName, _ store: EFIVariableStore) throws -> [UInt8]? {
    guard let file = try store.fileContent(variable.fileName) else { return nil }
    do {
      return try EFIVariableContent(parsing: file).data
    } catch {
      throw HostError(
        "read", store.displayPath(of: variable.fileName), detail: Message(error),
        hint: "restore the factory keys in the firmware's setup menu; its key store may be damaged")
    }
  }
}

/// Which memory the firmware protects from being executed or changed, in the words of shim 16 (`HSIStatus`).
struct MemoryProtection: Hashable, Sendable {
  /// Whether heap, stack and read-only sections are protected and there is an interface to protect more.
  private(set) var isEnforced = false

  init() {}

  /// Parses lines such as `heap-is-executable: 0`.
  init(parsing text: [UInt8]) {
    let lines = String(decoding: text, as: UTF8.self).split { $0.isNewline || $0 == "\0" }
    let flags = lines.reduce(into: [:] as [Substring: Bool]) { flags, line in
      let parts = line.split(separator: ":")
      if parts.count == 2 { flags[parts[0]] = parts[1].hasSuffix("1") }
    }
    let holes = ["heap-is-executable", "stack-is-executable", "ro-sections-are-writable"]
    let isProtected = holes.allSatisfy { flags[$0[...]] == false }
    func has(_ name: String) -> Bool { flags[name[...]] == true }
    let hasInterface =
      has("has-memory-attribute-protocol")
      || has("has-get-memory-space-descriptor") && has("has-set-memory-space-attributes")
    isEnforced = isProtected && hasInterface
  }
}
