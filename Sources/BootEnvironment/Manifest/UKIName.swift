// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The name of a UKI on an ESP, in the directory for type 2 entries of the Boot Loader Specification.
///
/// `pve-K.efi` is the UKI of kernel K. `pve-K~previous.efi` is the UKI that it replaced and that is known to boot. Boot
/// loaders sort the tilde last, so the previous UKI follows the new one.
package struct UKIName: Hashable, Sendable {
  package let kernel: Kernel
  package let isPrevious: Bool

  package static let directory = "/EFI/Linux"
  static let prefix = "pve-"
  private static let suffix = ".efi"
  static let previousMark = "~previous"

  package init(_ kernel: Kernel, isPrevious: Bool = false) {
    self.kernel = kernel
    self.isPrevious = isPrevious
  }

  /// Nil for names that pve-sb-uki does not use.
  package init?(fileName: String) {
    guard fileName.hasPrefix(Self.prefix), fileName.hasSuffix(Self.suffix),
      fileName.utf8.count > Self.prefix.utf8.count + Self.suffix.utf8.count
    else { return nil }
    self.init(releaseAndMark: String(fileName.dropFirst(Self.prefix.count).dropLast(Self.suffix.count)))
  }

  /// Parses the release of a kernel, or a release and the mark of a previous UKI; nil for anything else.
  init?(releaseAndMark text: String) {
    isPrevious = text.hasSuffix(Self.previousMark)
    guard let kernel = Kernel(release: isPrevious ? text.dropLast(Self.previousMark.count) : text[...]) else {
      return nil
    }
    self.kernel = kernel
  }

  var releaseAndMark: String { kernel.release + (isPrevious ? Self.previousMark : "") }

  package var fileName: String { Self.prefix + releaseAndMark + Self.suffix }

  /// From the root of the ESP.
  package var path: String { "\(Self.directory)/\(fileName)" }
}
