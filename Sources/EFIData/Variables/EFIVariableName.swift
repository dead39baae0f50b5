// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// The name of a UEFI variable: text in the namespace of a vendor GUID (UEFI 2.10 section 8.2).
package struct EFIVariableName: Hashable, Sendable {
  package let name: String
  package let vendor: GUID

  package init(name: String, vendor: GUID) {
    self.name = name
    self.vendor = vendor
  }

  /// Vendor of the variables defined by the UEFI specification.
  package static let globalVendor = GUID(0x8be4_df61, 0x93ca, 0x11d2, 0xaa0d_00e0_9803_2b8c)
  /// Vendor of the signature databases (EFI_IMAGE_SECURITY_DATABASE_GUID).
  package static let imageSecurityVendor = GUID(0xd719_b2cb, 0x3d3a, 0x4596, 0xa3bc_dad0_0e67_656f)
  /// Vendor of shim's variables (SHIM_LOCK_GUID).
  package static let shimVendor = GUID(0x605d_ab50, 0xe046, 0x4300, 0xabb6_3dd8_10dd_8b23)

  package static let platformKey = Self(name: "PK", vendor: globalVendor)
  package static let keyExchangeKey = Self(name: "KEK", vendor: globalVendor)
  package static let secureBoot = Self(name: "SecureBoot", vendor: globalVendor)
  package static let setupMode = Self(name: "SetupMode", vendor: globalVendor)
  package static let signatureDatabase = Self(name: "db", vendor: imageSecurityVendor)
  package static let forbiddenDatabase = Self(name: "dbx", vendor: imageSecurityVendor)
  package static let timestampDatabase = Self(name: "dbt", vendor: imageSecurityVendor)
  /// What the firmware offers for PK, KEK, db and dbx when its user restores the factory keys (UEFI 2.10 section 3.3).
  package static let platformKeyDefault = Self(name: "PKDefault", vendor: globalVendor)
  package static let keyExchangeKeyDefault = Self(name: "KEKDefault", vendor: globalVendor)
  package static let signatureDatabaseDefault = Self(name: "dbDefault", vendor: globalVendor)
  package static let forbiddenDatabaseDefault = Self(name: "dbxDefault", vendor: globalVendor)
  package static let machineOwnerKeys = Self(name: "MokListRT", vendor: shimVendor)
  /// The keys that MokManager offers to enrol at the next boot: the pending request of `mokutil --import`.
  package static let requestedMachineOwnerKeys = Self(name: "MokNew", vendor: shimVendor)
  /// The password of that request.
  package static let machineOwnerKeysPassword = Self(name: "MokAuth", vendor: shimVendor)
  /// The keys that MokManager offers to remove at the next boot.
  package static let removedMachineOwnerKeys = Self(name: "MokDel", vendor: shimVendor)
  /// The keys that MokManager offers to forbid at the next boot.
  package static let requestedForbiddenKeys = Self(name: "MokXNew", vendor: shimVendor)
  /// A request to switch shim's checks on or off.
  package static let requestedShimValidation = Self(name: "MokSB", vendor: shimVendor)
  package static let forbiddenMachineOwnerKeys = Self(name: "MokListXRT", vendor: shimVendor)
  /// 1 if shim checks no signatures.
  package static let shimValidationDisabled = Self(name: "MokSBStateRT", vendor: shimVendor)
  /// 1 if shim ignores db.
  package static let shimIgnoresDatabase = Self(name: "MokIgnoreDB", vendor: shimVendor)
  /// Bit 0 is set if shim requires images to be NX compatible.
  package static let shimPolicy = Self(name: "MokPolicyRT", vendor: shimVendor)
  /// The revocation level that shim applied at boot.
  package static let revocationLevel = Self(name: "SbatLevelRT", vendor: shimVendor)
  /// The revocation level that shim is to apply at the next boot: 1 latest, 2 automatic, 3 none.
  package static let revocationPolicy = Self(name: "SbatPolicy", vendor: shimVendor)

  /// Name of the variable's file in efivarfs.
  package var fileName: String { "\(name)-\(vendor)" }

  /// The name without vendor of the variable with this file: a vendor is a hyphen and 36 characters.
  package static func name(ofFile file: String) -> String { file.utf8.count > 37 ? String(file.dropLast(37)) : file }
}

extension EFIVariableName {
  package static let bootOrder = Self(name: "BootOrder", vendor: globalVendor)
  package static let bootNext = Self(name: "BootNext", vendor: globalVendor)
  package static let bootCurrent = Self(name: "BootCurrent", vendor: globalVendor)

  /// Boot#### with four upper-case hexadecimal digits (UEFI 2.10 section 3.1.3).
  package static func bootOption(_ number: UInt16) -> Self {
    Self(name: "Boot" + bootOptionDigits(number), vendor: globalVendor)
  }

  package static let driverOrder = Self(name: "DriverOrder", vendor: globalVendor)
  package static let systemPreparationOrder = Self(name: "SysPrepOrder", vendor: globalVendor)
  /// Driver####.
  package static func driverOption(_ number: UInt16) -> Self {
    Self(name: "Driver" + bootOptionDigits(number), vendor: globalVendor)
  }
  /// SysPrep####.
  package static func systemPreparationOption(_ number: UInt16) -> Self {
    Self(name: "SysPrep" + bootOptionDigits(number), vendor: globalVendor)
  }

  /// The four digits in the name of a Boot#### variable.
  package static func bootOptionDigits(_ number: UInt16) -> String {
    let digits = String(number, radix: 16, uppercase: true)
    return String(repeating: "0", count: 4 - digits.count) + digits
  }

  /// The number of the Boot#### variable with this file name in efivarfs; nil for any other file.
  package static func bootOptionNumber(ofFile name: String) -> UInt16? {
    guard name.utf8.count == 45, let number = UInt16(name.dropFirst(4).prefix(4), radix: 16),
      name == bootOption(number).fileName
    else { return nil }
    return number
  }
}

/// Variables with which a boot loader and a stub tell the system how it was booted, and the system tells them what to
/// boot (Boot Loader Interface, systemd.io/BOOT_LOADER_INTERFACE). All contain UTF-16 text.
extension EFIVariableName {
  private static func ofLoader(_ name: String) -> Self {
    Self(name: name, vendor: .init(0x4a67_b082, 0x0a4c, 0x41cf, 0xb6c7_440b_29bb_8c4f))
  }

  /// Name and version of the boot loader; not set if the firmware started a UKI directly.
  package static let loaderInfo = ofLoader("LoaderInfo")
  /// Path of the boot loader on its partition.
  ///
  /// A stub that finds it unset sets it to its own path.
  package static let loaderImageIdentifier = ofLoader("LoaderImageIdentifier")
  /// Unique GUID of that partition.
  ///
  /// A stub that finds it unset sets it to the GUID of its own partition.
  package static let loaderDevicePartition = ofLoader("LoaderDevicePartUUID")
  /// Name of the entry that systemd-boot started, in lower case: the file name of a UKI or of a .conf file.
  package static let loaderEntrySelected = ofLoader("LoaderEntrySelected")
  /// Name of the default entry chosen in systemd-boot's menu.
  package static let loaderEntryDefault = ofLoader("LoaderEntryDefault")
  /// Name of the entry that was booted last, which systemd-boot's default `@saved` stands for.
  package static let loaderEntryLastBooted = ofLoader("LoaderEntryLastBooted")
  /// Name of the entry that systemd-boot starts once.
  package static let loaderEntryOneShot = ofLoader("LoaderEntryOneShot")
  /// When the boot loader was started, in microseconds since the counter of the processor started.
  ///
  /// systemd-boot sets it, and the two that follow; stubs do not.
  package static let loaderTimeInit = ofLoader("LoaderTimeInitUSec")
  /// When it showed its menu; not set if it did not.
  package static let loaderTimeMenu = ofLoader("LoaderTimeMenuUSec")
  /// When it started the next program, which it had loaded before.
  package static let loaderTimeExec = ofLoader("LoaderTimeExecUSec")
  /// Name and version of the stub of the UKI.
  package static let stubInfo = ofLoader("StubInfo")
  /// Path of the UKI on its partition; since systemd 257.
  package static let stubImageIdentifier = ofLoader("StubImageIdentifier")
  package static let stubProfile = ofLoader("StubProfile")
  /// Unique GUID of that partition; since systemd 257.
  package static let stubDevicePartition = ofLoader("StubDevicePartUUID")
}
