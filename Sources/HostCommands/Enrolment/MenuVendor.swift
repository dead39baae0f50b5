// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// The menu of a vendor's firmware, as data.
///
/// The names of menus and items are in English, as on the screen. They are from EDK2's source for OVMF, from the vendors'
/// documents for Dell and HPE, and from reports of users for the others. None was verified on hardware.
struct MenuVendor: Sendable {
  /// For people.
  let name: String
  /// What the SMBIOS fields start with, in lower case, tried in the order of `all`.
  fileprivate let marks: [(field: String, prefix: String)]
  /// The key that opens the menu.
  let key: String
  /// The menu with the keys.
  let place: Message
  /// How to start Setup Mode; nil if the menu replaces PK without that.
  let setupModeStep: Message?
  /// The suffix of the files that the menu accepts.
  let suffix: String
  /// The item for each list, in the order of enrolment.
  let steps: [(list: String, item: String)]
  /// What else to know; nil for nothing.
  let note: Message?

  /// The first vendor that matches; `read` returns a field of SMBIOS, empty if it does not exist.
  static func recognise(_ read: (String) -> String) -> MenuVendor? {
    var fields: [String: String] = [:]
    for field in ["sys_vendor", "board_vendor", "bios_vendor", "product_name"] {
      fields[field] = read(field).lowercased()
    }
    return all.first { vendor in
      vendor.marks.contains { mark in fields[mark.field]?.hasPrefix(mark.prefix) == true }
    }
  }

  /// Menus that add a certificate to a list keep the others in it.
  private static let adds: Message = "This menu adds the certificates: those of the vendor stay in KEK and db."
  /// AMI's menus ask whether to replace the list.
  private static let replaces: Message =
    "If it offers Update and Append, choose Update, and as the type of the file Authenticated Variable."

  /// Makers of machines before the makers of firmware, whose menus the former change.
  static let all: [MenuVendor] = [
    MenuVendor(
      name: "Dell", marks: [("sys_vendor", "dell")], key: "F2",
      place:
        "System BIOS, System Security; set Secure Boot Policy to Custom, then open Secure Boot Custom Policy Settings",
      setupModeStep: "Delete the entry in Platform Key (PK).", suffix: ".cer",
      steps: [
        ("db", "Authorized Signature Database (db), Import"), ("KEK", "Key Exchange Key (KEK) Database, Import"),
        ("PK", "Platform Key (PK), Import"),
      ], note: adds),
    MenuVendor(
      name: "HPE", marks: [("sys_vendor", "hpe"), ("sys_vendor", "hewlett packard enterprise")], key: "F9",
      place: """
        System Configuration, BIOS/Platform Configuration (RBSU), Server Security, Secure Boot Settings, Advanced Secure \
        Boot Options
        """,
      setupModeStep: "PK Options: delete the platform key.", suffix: ".cer",
      steps: [
        ("db", "Allowed Signatures Database (DB) Options, Enroll Signature"), ("KEK", "KEK Options, Enroll KEK"),
        ("PK", "PK Options, Enroll PK"),
      ], note: adds),
    MenuVendor(
      name: "Lenovo", marks: [("sys_vendor", "lenovo")], key: "F1",
      place: "System Settings, Security, Secure Boot Configuration; set Secure Boot Policy to Custom Policy",
      setupModeStep: "Secure Boot Custom Policy, PK Options: delete the platform key.", suffix: ".cer",
      steps: [
        ("db", "Secure Boot Custom Policy, DB Options, Enroll Signature"),
        ("KEK", "Secure Boot Custom Policy, KEK Options, Enroll KEK"),
        ("PK", "Secure Boot Custom Policy, PK Options, Enroll PK"),
      ], note: adds),
    MenuVendor(
      name: "QEMU (OVMF)",
      marks: [("sys_vendor", "qemu"), ("bios_vendor", "edk ii"), ("bios_vendor", "proxmox distribution of edk ii")],
      key: "Esc",
      place: """
        Device Manager, Secure Boot Configuration; set Secure Boot Mode to Custom Mode, then open Custom Secure Boot Options
        """,
      setupModeStep: "PK Options: choose Delete Pk.", suffix: ".cer",
      steps: [
        ("db", "DB Options, Enroll Signature, Enroll Signature Using File"),
        ("KEK", "KEK Options, Enroll KEK, Enroll KEK using File"),
        ("PK", "PK Options, Enroll PK, Enroll PK Using File"),
      ], note: adds),
    aptio(
      "Supermicro", "supermicro", key: "Del",
      place: "Security, Secure Boot; set Secure Boot Mode to Custom, then open Key Management"),
    aptio(
      "ASRock Rack", "asrock", key: "F2 or Del",
      place: "Security, Secure Boot; set Secure Boot Mode to Custom, then open Key Management"),
    aptio(
      "Gigabyte", "giga", key: "Del",
      place: "Security or Boot, Secure Boot; set Secure Boot Mode to Custom, then open Key Management"),
    MenuVendor(
      name: "Intel NUC", marks: [("sys_vendor", "intel(r) client"), ("board_vendor", "intel corporation")], key: "F2",
      place: "Boot, Secure Boot; set Secure Boot Mode to Custom, then open Key Management",
      setupModeStep: "Choose Clear Secure Boot Data, or Reset To Setup Mode.", suffix: ".auth",
      steps: aptioSteps,
      note: "Keep Microsoft's certificates in db: without them, the screen of some of these machines stays black."),
    MenuVendor(
      name: "AMI", marks: [("bios_vendor", "american megatrends")], key: "Del or F2",
      place: "Security, Secure Boot; set Secure Boot Mode to Custom, then open Key Management",
      setupModeStep: "Choose Reset To Setup Mode.", suffix: ".auth", steps: aptioSteps, note: replaces),
  ]

  private static let aptioSteps = [
    (list: "db", item: "Authorized Signatures (db)"), (list: "KEK", item: "Key Exchange Keys (KEK)"),
    (list: "PK", item: "Platform Key (PK)"),
  ]

  /// A maker of boards with the firmware of AMI.
  private static func aptio(_ name: String, _ prefix: String, key: String, place: Message) -> MenuVendor {
    MenuVendor(
      name: name, marks: [("board_vendor", prefix), ("sys_vendor", prefix)], key: key, place: place,
      setupModeStep: "Choose Reset To Setup Mode.", suffix: ".auth", steps: aptioSteps, note: replaces)
  }
}
