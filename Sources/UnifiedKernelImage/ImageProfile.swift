// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Messages

/// A variant of a UKI with its own command line, in the same signed file (UAPI.5, "Multi-Profile UKIs").
///
/// The stub starts profile N if its load options begin with `@N`. It takes that word before Secure Boot makes it ignore
/// the rest, so the choice needs no other file and no other signature. Profile 0 is the UKI without a choice.
package struct ImageProfile: Hashable, Sendable {
  /// `ID=`: 1 to 32 lower-case letters, digits and hyphens; systemd-boot adds it to the name of the entry.
  package let id: String
  /// `TITLE=`: for menus; nil for the ID.
  package let title: String?
  /// Without a final newline.
  package let commandLine: [UInt8]

  /// Profiles in one UKI, apart from profile 0.
  package static let countLimit = 8
  /// The ID of profile 0.
  package static let mainID = "main"

  /// Throws `ImageError` for an ID or title that a `.profile` section cannot contain.
  package init(id: String, title: String? = nil, commandLine: [UInt8]) throws(ImageError) {
    guard Self.isID(id), id != Self.mainID else {
      throw ImageError(
        .content, "'\(id)' is not the ID of a profile",
        hint: "use 1 to 32 lower-case letters, digits and hyphens, but not '\(Self.mainID)'")
    }
    guard title.map({ $0.utf8.count <= 64 && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != 0x22 } }) ?? true
    else {
      throw ImageError(
        .content, "the title of profile \(id) is unusable",
        hint: "use at most 64 bytes, without control characters and quotation marks")
    }
    self.id = id
    self.title = title
    self.commandLine = commandLine
  }

  private static func isID(_ text: String) -> Bool {
    1...32 ~= text.utf8.count
      && text.utf8.allSatisfy { 0x61...0x7a ~= $0 || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "-") }
  }

  /// The content of `.profile`, in the syntax of os-release.
  var description: [UInt8] { Self.description(id, title) }

  /// The content of `.profile` for profile 0.
  static let mainDescription = description(mainID, nil)

  private static func description(_ id: String, _ title: String?) -> [UInt8] {
    Array("ID=\(id)\n\(title.map { "TITLE=\"\($0)\"\n" } ?? "")".utf8)
  }
}
