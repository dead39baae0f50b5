// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
package import HostSystem
package import Reconcile
package import TestSupport

/// A host in a temporary root: kernels, stub, key, command line and a directory for the ESP.
///
/// The stub also serves as the kernels: it is a small PE file for the same machine type.
package struct ApplyScene {
  package let directory: TemporaryDirectory
  package let key: SigningKey

  package static let older = "6.8.12-9-pve"
  package static let newer = "6.8.12-10-pve"
  package static let images = "boot/efi/EFI/Linux"

  /// One key for all scenes: creating one takes longer than a run.
  private static let sharedKey = Result { try SigningKey() }

  package init(kernels: [String] = [older, newer], key: SigningKey? = nil) throws {
    directory = try TemporaryDirectory()
    self.key = try key ?? Self.sharedKey.get()
    for release in kernels { try addKernel(release) }
    try directory.write("usr/lib/systemd/boot/efi/linuxx64.efi.stub", Fixture.stub257.bytes())
    try directory.write("usr/lib/os-release", "ID=debian\nPRETTY_NAME=\"Debian\"\n")
    try directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root ro\n")
    try directory.write("boot/efi/EFI/other/file", "not ours")
    try writeKey()
  }

  package func addKernel(_ release: String) throws {
    try directory.write("boot/vmlinuz-\(release)", Fixture.stub257.bytes())
    try directory.write("boot/initrd.img-\(release)", Self.initrd(of: release))
    try directory.write("lib/modules/\(release)/modules.dep", "")
  }

  /// A small initrd that the kernel could unpack.
  package static func initrd(of release: String) -> [UInt8] {
    RAMDiskBytes.archive([
      RAMDiskBytes.Member("init", mode: 0o100755, "#!/bin/sh"), RAMDiskBytes.Member("conf/release", release),
    ])
  }

  package func writeKey() throws {
    try directory.write("etc/pve-sb-uki/keys/db.key", key.identity.key.serializedPEM(), mode: 0o600)
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
  }

  package func host(_ recorder: MutationRecorder = MutationRecorder()) throws -> Host {
    var host = try directory.host(gate: recorder.gate)
    host.now = { SigningKey.now }
    return host
  }

  @discardableResult
  package func apply(
    _ recorder: MutationRecorder = MutationRecorder(), _ change: (inout ApplyOptions) -> Void = { _ in }
  ) throws -> ApplyReport {
    var apply = ApplyOptions()
    apply.lockTimeout = 0
    change(&apply)
    return try Apply.run(apply, on: host(recorder))
  }

  package static func imageName(_ release: String) -> String { "\(images)/pve-\(release).efi" }

  package func image(_ release: String) throws -> [UInt8]? { try directory.read(Self.imageName(release)) }
  package func imageNames() throws -> [String] { try directory.list(Self.images) }

  /// Whether sbverify accepts the UKI and objcopy extracts the kernel's parts from it.
  package func isComplete(_ release: String) throws -> Bool {
    let certificate = try key.certificateFile()
    let path = directory.path(of: Self.imageName(release))
    let copy = try ScratchFile()
    let verdict = try ExternalTool("sbverify").result(["--cert", certificate.path, path])
    guard verdict.status == 0 else { return false }
    for (section, name) in [(".initrd", "boot/initrd.img-\(release)"), (".linux", "boot/vmlinuz-\(release)")] {
      let content = try ScratchFile()
      try ExternalTool("objcopy").run(["--dump-section", "\(section)=\(content.path)", path, copy.path])
      guard try content.bytes() == directory.read(name) else { return false }
    }
    return true
  }
}
