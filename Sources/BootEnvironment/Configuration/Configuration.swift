// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem
internal import Messages
package import SigningKeys

/// The settings: `/etc/pve-sb-uki/pve-sb-uki.conf`, then `pve-sb-uki.conf.d/*.conf` in byte order of their names.
///
/// The last value of a key takes effect; an empty value restores the default.
package struct Configuration: Hashable, Sendable {
  /// How the firmware starts the UKIs.
  package enum Chain: String, CaseIterable, Sendable {
    case auto, direct, shim
    case systemdBoot = "systemd-boot"
  }

  /// What to do with type 1 entries of the Boot Loader Specification: unsigned kernels and initrds that
  /// proxmox-boot-tool puts on ESPs.
  package enum TypeOne: String, CaseIterable, Sendable {
    /// Report them: anyone who can write to the ESP can change what they start.
    case keep
    /// Remove them and disable Proxmox's hook, which would recreate them; only after a UKI made by pve-sb-uki has
    /// booted on this machine.
    case remove
  }

  /// Whether this machine needs Secure Boot.
  package enum SecureBoot: String, CaseIterable, Sendable {
    /// `status` reports Setup Mode, disabled Secure Boot and a boot from another program as problems.
    case required
    /// They are wanted.
    case optional
  }

  /// When a new UKI becomes the one that boots first.
  package enum Promotion: String, CaseIterable, Sendable {
    /// As soon as it is in place.
    case immediate
    /// After one boot that was confirmed.
    case trial
  }

  /// `Enabled=yes|no`: whether hooks and `apply` do anything.
  ///
  /// Default yes.
  package var isEnabled = true
  /// `Strict=yes|no`: whether a kernel package fails to configure if its UKI cannot be built.
  ///
  /// Default no.
  package var isStrict = false
  /// `Keep=N`: how many of the wanted kernels get a UKI; 0 means all.
  ///
  /// Default 0.
  package var keep = 0
  /// `KeyDirectory=`: the directory of the private keys, an absolute path.
  ///
  /// Default `/etc/pve-sb-uki/keys`, which always has the certificates.
  package var keyDirectory = KeyStore.standardDirectory
  /// `Key=`: the signing key, an absolute path or an OpenSSL store URI.
  ///
  /// Default `db.key` in `keyDirectory`.
  package var key: String {
    get { specifiedKey ?? PathName.join(keyDirectory, KeyStore.keyFile(of: .signatureDatabase)) }
    set { specifiedKey = newValue }
  }
  /// The value of `Key=`; nil for the default.
  package var specifiedKey: String?
  /// `Certificate=`: the certificate of the key, an absolute path.
  ///
  /// Default `/etc/pve-sb-uki/keys/db.crt`.
  package var certificate = defaultCertificate
  /// `PassphraseFile=`: a file whose first line opens the keys, an absolute path.
  ///
  /// Default: none.
  package var passphraseFile: String?
  /// `Chain=auto|direct|systemd-boot|shim`: the boot chain.
  ///
  /// Default auto, which keeps the boot loader that the host uses.
  package var chain = Chain.auto
  /// `Esp=PATH`: where the ESP is mounted; used without checks.
  ///
  /// Default: found among the mounts.
  package var espPath: String?
  /// `Removable=yes|no`: whether `EFI/BOOT/BOOTX64.EFI`, which firmware starts without a boot entry, may be written.
  ///
  /// Default no.
  package var writesRemovablePath = false
  /// `Type1=keep|remove`: what to do with type 1 entries.
  ///
  /// Default keep.
  package var typeOne = TypeOne.keep
  /// `Dkms=yes|no`: whether dkms signs the modules it builds with the same key.
  ///
  /// Default no.
  package var signsModules = false

  /// `Promotion=immediate|trial`: when a new UKI becomes the one that boots first.
  ///
  /// Default immediate.
  package var promotion = Promotion.immediate
  /// `ConfirmUnits=`: the systemd units that must be active before a boot counts as good.
  ///
  /// Default: `multi-user.target`, and on Proxmox VE its cluster file system and web interface.
  package var confirmUnits: [String] = []
  /// `ConfirmSeconds=N`: for how many seconds they must be active without a break, 0 to 3600.
  ///
  /// Default 30.
  package var confirmSeconds = 30
  /// `TrialSeconds=N`: how many seconds a trial may take until its boot counts as good, 60 to 86400.
  ///
  /// Then the machine restarts. Default 900.
  package var trialSeconds = 900
  /// `Watchdog=`: the kernel module of the hardware watchdog, which the initrd loads in a trial.
  ///
  /// Default: none.
  package var watchdog: String?

  /// `Splash=`: the BMP picture that the UKIs show at boot, an absolute path.
  ///
  /// Default: none.
  package var splash: String?

  /// `SecureBoot=required|optional`: whether `status` reports that Secure Boot is off.
  ///
  /// Default required.
  package var secureBoot = SecureBoot.required

  package static let path = "/etc/pve-sb-uki/pve-sb-uki.conf"
  package static let directory = "/etc/pve-sb-uki/pve-sb-uki.conf.d"
  package static let defaultKey = KeyStore.standardKeyPath
  package static let defaultCertificate = KeyStore.standardCertificatePath

  /// The defaults.
  package init() {}

  /// The key for signing UKIs, boot loaders and modules.
  package var signingKey: KeySource {
    KeySource(key: key, certificate: certificate, isHostPath: true, passphraseFile: passphraseFile)
  }

  /// Reads the host's settings; missing files are ignored.
  ///
  /// Throws `BootEnvironmentError` with file and line for an unknown key or an invalid value, `HostError` if a file
  /// cannot be read.
  package init(of files: FileSystem) throws { self = try SettingsSurvey(of: files).configuration }

  /// Applies `assignments` to the defaults, in order.
  ///
  /// Throws `BootEnvironmentError` for an unknown key or an invalid value.
  init(_ assignments: [SettingsSurvey.Assignment]) throws {
    for assignment in assignments { try set(assignment.entry, assignment.path) }
  }

  private mutating func set(_ entry: SettingsFile.Entry, _ path: String) throws {
    let value = Value(entry: entry, path: path)
    guard let setting = Setting.named(entry.key) else {
      throw Setting.unknown(entry.key, path: path, line: entry.line)
    }
    try setting.set(&self, value, Configuration())
  }
}

extension Configuration {
  /// A value to convert; the conversions return nil for an empty value, which means the default.
  struct Value {
    let entry: SettingsFile.Entry
    let path: String

    func truth() throws -> Bool? {
      switch entry.value {
      case "": nil
      case "yes": true
      case "no": false
      default: throw wrong("yes or no")
      }
    }

    func count(_ range: ClosedRange<Int> = 0...1000) throws -> Int? {
      if entry.value.isEmpty { return nil }
      guard let number = Int(entry.value), range ~= number else {
        throw wrong("a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }

    /// Names of systemd units, separated by spaces.
    func units() throws -> [String] {
      let names = entry.value.split(separator: " ").map(String.init)
      let isName = { (name: String) in
        name.utf8.count <= 255 && !name.hasPrefix("-") && name.utf8.contains(UInt8(ascii: "."))
          && name.utf8.allSatisfy { 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "/") }
      }
      guard names.allSatisfy(isName) else {
        throw wrong("names of systemd units such as multi-user.target, separated by spaces")
      }
      return names
    }

    /// The name of a kernel module.
    func module() throws -> String? {
      if entry.value.isEmpty { return nil }
      let isName =
        entry.value.utf8.count <= 55 && !entry.value.hasPrefix("-")
        && entry.value.utf8.allSatisfy { byte in
          0x30...0x39 ~= byte || 0x61...0x7a ~= (byte | 0x20) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
      guard isName else { throw wrong("the name of a kernel module such as iTCO_wdt") }
      return entry.value
    }

    func choice<Choice: RawRepresentable<String>>(wanted: Message) throws -> Choice? {
      if entry.value.isEmpty { return nil }
      guard let choice = Choice(rawValue: entry.value) else { throw wrong(wanted) }
      return choice
    }

    func absolutePath() throws -> String? {
      if entry.value.isEmpty { return nil }
      guard entry.value.hasPrefix("/") else { throw wrong("an absolute path") }
      return entry.value
    }

    /// An absolute path without slashes at its end.
    func directory() throws -> String? {
      guard let path = try absolutePath() else { return nil }
      let components = PathName(path).components
      guard !components.isEmpty, !components.contains("."), !components.contains("..") else {
        throw wrong("the absolute path of a directory, without '.' and '..'")
      }
      return "/" + components.joined(separator: "/")
    }

    func pathOrURI() throws -> String? {
      if entry.value.isEmpty { return nil }
      guard entry.value.hasPrefix("/") || entry.value.contains(":") else {
        throw wrong("an absolute path or an OpenSSL store URI")
      }
      return entry.value
    }

    private func wrong(_ wanted: Message) -> BootEnvironmentError {
      BootEnvironmentError(
        path, line: entry.line, "\(entry.key) has the invalid value '\(entry.value)'",
        hint: "set \(entry.key)= to \(wanted)")
    }
  }
}
