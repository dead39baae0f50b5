// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat

/// Variables by which a boot loader and a stub tell the system how it was booted, and the system tells them what to
/// boot (Boot Loader Interface, systemd.io/BOOT_LOADER_INTERFACE). All hold UTF-16 text.
extension EFIVariableName {
  private static func ofLoader(_ name: String) -> Self {
    Self(name: name, vendor: .init(0x4a67_b082, 0x0a4c, 0x41cf, 0xb6c7_440b_29bb_8c4f))
  }

  /// Name and version of the boot loader; not set where the firmware started an image by itself.
  package static let loaderInfo = ofLoader("LoaderInfo")
  /// Path of the boot loader on its partition. A stub that finds it unset puts its own there.
  package static let loaderImageIdentifier = ofLoader("LoaderImageIdentifier")
  /// Unique GUID of that partition. A stub that finds it unset puts its own there.
  package static let loaderDevicePartition = ofLoader("LoaderDevicePartUUID")
  /// Name of the entry that systemd-boot started, in lower case: a file name of a unified image or of a .conf file.
  package static let loaderEntrySelected = ofLoader("LoaderEntrySelected")
  /// Name of the entry that somebody made the default in systemd-boot's menu.
  package static let loaderEntryDefault = ofLoader("LoaderEntryDefault")
  /// Name of the entry that systemd-boot is to start once.
  package static let loaderEntryOneShot = ofLoader("LoaderEntryOneShot")
  /// Name and version of the stub of a unified image.
  package static let stubInfo = ofLoader("StubInfo")
  /// Path of the unified image on its partition; since systemd 257.
  package static let stubImageIdentifier = ofLoader("StubImageIdentifier")
  /// Unique GUID of that partition; since systemd 257.
  package static let stubDevicePartition = ofLoader("StubDevicePartUUID")
}
