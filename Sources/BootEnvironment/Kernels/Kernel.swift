// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianPackage
package import HostSystem
package import Messages

/// A kernel of the host: `/boot/vmlinuz-K`, `/boot/initrd.img-K` and `/lib/modules/K`.
package struct Kernel: Hashable, Sendable {
  /// The kernel release K, as `uname -r` prints it; safe as part of a file name.
  package let release: String

  package var imagePath: String { "/boot/vmlinuz-\(release)" }
  package var initrdPath: String { "/boot/initrd.img-\(release)" }

  /// A kernel of that release, installed or not; nil if the release is invalid.
  ///
  /// It must have one to 64 letters, digits and `+-._~`, and not start with a dot or a hyphen. It must not end with the
  /// mark of a previous UKI, since its UKI would have that name.
  package init?(release: some StringProtocol) {
    let bytes = Array(release.utf8)
    guard 1...64 ~= bytes.count, bytes.first != UInt8(ascii: "."), bytes.first != UInt8(ascii: "-") else { return nil }
    let isPlain = bytes.allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "+-._~".utf8.contains(byte)
    }
    guard isPlain, !release.lowercased().hasSuffix(UKIName.previousMark) else { return nil }
    self.release = String(release)
  }
}

extension Kernel {
  /// The series, major and minor number: `6.8` of `6.8.12-4-pve`; nil if the release does not start with two numbers.
  package var series: String? {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let bytes = release.utf8
    let major = bytes.prefix { digits.contains($0) }
    let rest = bytes[major.endIndex...]
    guard !major.isEmpty, rest.first == UInt8(ascii: ".") else { return nil }
    let minor = rest.dropFirst().prefix { digits.contains($0) }
    return minor.isEmpty ? nil : String(bytes[..<minor.endIndex])
  }

  /// Whether it is a Proxmox kernel or derived from one: a part of its release other than the first starts with `pve`,
  /// as in `6.8.12-4-pve` and `6.8.12-4-pve-custom`.
  package var isProxmox: Bool { release.split(separator: "-").dropFirst().contains { $0.hasPrefix("pve") } }

  /// Whether the kernel is newer than `other`.
  ///
  /// The order is that of `sort -V`, with which proxmox-boot-tool chooses kernels. It compares the whole release: unlike
  /// a Debian version, it has no revision after its last hyphen. So `6.14.8-2-pve` is newer than `6.14.8-2-bpo12-pve`.
  package func isNewer(than other: Kernel) -> Bool { VersionSort.compareLines(release, other.release) > 0 }
}

/// The kernels in `/boot`.
package struct KernelInventory: Hashable, Sendable {
  /// Complete kernels, the newest first.
  package var kernels: [Kernel] = []
  /// Kernels with modules but no initrd, the newest first: they are being installed, or cannot boot.
  ///
  /// Includes those in `unreadable`.
  package var withoutInitrd: [Kernel] = []
  /// Kernels whose files cannot be examined, and why, such as a symbolic link that leads to itself.
  package var unreadable: [Kernel: Failure] = [:]
  /// Releases of all files `/boot/vmlinuz-*`, complete or not.
  package var present: Set<String> = []

  package init(kernels: [Kernel] = [], withoutInitrd: [Kernel] = [], present: Set<String> = []) {
    self.kernels = kernels
    self.withoutInitrd = withoutInitrd
    self.present = present
  }

  /// Lists the kernels in `/boot`.
  ///
  /// A `vmlinuz` without a module directory is a leftover and is ignored. Throws `HostError` if `/boot` cannot be
  /// listed.
  package init(of files: FileSystem) throws {
    files.prepare("/boot") { $0.hasPrefix("vmlinuz-") || $0.hasPrefix("initrd.img-") }
    files.prepare("/lib/modules")
    let names = try files.list("/boot") ?? []
    let found = names.filter { $0.hasPrefix("vmlinuz-") }.compactMap { Kernel(release: $0.dropFirst("vmlinuz-".count)) }
    for kernel in found.sorted(by: { $0.isNewer(than: $1) }) {
      do {
        try add(kernel, files)
      } catch {
        // Present, so that its UKI is kept.
        present.insert(kernel.release)
        withoutInitrd.append(kernel)
        unreadable[kernel] = Failure(
          "kernel \(kernel.release) gets no UKI: \(error)",
          hint: "reinstall it, or create its initrd with: update-initramfs -c -k \(kernel.release)")
      }
    }
  }

  private mutating func add(_ kernel: Kernel, _ files: FileSystem) throws {
    guard try files.status(of: kernel.imagePath)?.kind == .regular else { return }
    present.insert(kernel.release)
    guard try files.isDirectory("/lib/modules/\(kernel.release)") else { return }
    if try files.status(of: kernel.initrdPath)?.kind == .regular {
      kernels.append(kernel)
    } else {
      withoutInitrd.append(kernel)
    }
  }
}
