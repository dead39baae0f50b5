// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import Glibc
import HostSystem
import TestSupport
import pve_sb_uki_hook

/// A host in a temporary root with everything that a UKI needs, and the hooks that run on it.
final class HookScene {
  static let release = "6.8.12-10-pve"
  static let postinst = "/etc/kernel/postinst.d/zz-pve-sb-uki"
  static let postrm = "/etc/kernel/postrm.d/zz-pve-sb-uki"
  static let postUpdate = "/etc/initramfs/post-update.d//zz-pve-sb-uki"
  static let proxmoxBoot = "/etc/kernel/postinst.d/zz-proxmox-boot"
  static let all = [postinst, postrm, postUpdate, proxmoxBoot]
  static let program = "/usr/libexec/pve-sb-uki/pve-sb-uki-hook"

  struct Outcome: Equatable {
    var code: Int32
    var text: String
    /// Attempted changes to the file system.
    var changes: Int
  }

  /// One key for all scenes: creating one takes longer than a run.
  private static let key = Result { try SigningKey() }

  let directory: TemporaryDirectory
  var environment: [String: String] = [:]
  /// The commands that the hooks ran, one line each.
  var started: [String] = []
  /// Whether the hooks believe to run on the machine whose root they have.
  var isRunningSystem = false
  /// The exit code of the commands that they run.
  var startedCode: Int32 = 0

  init() throws {
    directory = try TemporaryDirectory()
    try addKernel()
    try directory.write("usr/lib/systemd/boot/efi/linuxx64.efi.stub", Fixture.stub257.bytes())
    try directory.write("usr/lib/os-release", "ID=debian\n")
    try directory.write("etc/kernel/cmdline", "root=/dev/mapper/pve-root ro\n")
    try directory.write("efi/EFI/file", "")
    let key = try Self.key.get()
    try directory.write("etc/pve-sb-uki/keys/db.key", key.identity.key.serializedPEM(), mode: 0o600)
    try directory.write("etc/pve-sb-uki/keys/db.crt", key.certificate.serializedPEM())
  }

  /// The stub also serves as the kernel: it is a small PE file for the same machine type.
  func addKernel(_ release: String = HookScene.release) throws {
    try directory.write("boot/vmlinuz-\(release)", Fixture.stub257.bytes())
    try directory.write("boot/initrd.img-\(release)", "initrd")
    try directory.write("lib/modules/\(release)/modules.dep", "")
  }

  func remove(_ name: String) { unlink(directory.path(of: name)) }
  func move(_ name: String, to other: String) { rename(directory.path(of: name), directory.path(of: other)) }

  func settings(_ text: String) throws { try directory.write("etc/pve-sb-uki/pve-sb-uki.conf", text) }

  /// Runs the hook `path` with the arguments of a kernel package, or with `arguments`.
  func run(_ path: String, arguments: [String]? = nil, parameters: String? = nil) throws -> Outcome {
    let recorder = MutationRecorder()
    var host = try directory.host(gate: recorder.gate)
    host.now = { SigningKey.now }
    var environment = environment
    environment["DEB_MAINT_PARAMS"] = parameters
    host.environment = { [environment] in environment[$0] }
    host.isRunningSystem = isRunningSystem
    let processes = Processes(code: startedCode)
    host.processes = ProcessRunner { processes.run($0, $1) }
    var text = ""
    let code = HookProgram(host: host, say: { text += $0 })
      .run([path] + (arguments ?? [Self.release, "/boot/vmlinuz-\(Self.release)"]))
    started += processes.lines
    return Outcome(code: code, text: text, changes: recorder.mutations.count)
  }

  private final class Processes: @unchecked Sendable {
    private(set) var lines: [String] = []
    private let code: Int32

    init(code: Int32) { self.code = code }

    func run(_ program: String, _ arguments: [String]) -> Int32 {
      lines.append(([program] + arguments).joined(separator: " "))
      return code
    }
  }

  static let signed = signed(release)
  static func signed(_ release: String) -> String { "pve-sb-uki: /efi: EFI/Linux/pve-\(release).efi signed\n" }
}

/// apt runs its commands in its child process 21; dpkg is another child.
extension HookScene {
  private func addProcess(_ number: Int, parent: Int, as name: String) throws {
    let zeros = [String](repeating: "0", count: 17).joined(separator: " ")
    try directory.write("proc/\(name)/stat", "\(number) (x) S \(parent) \(zeros) \(number) 0\n")
  }

  func preInvoke() throws -> Outcome {
    try addProcess(20, parent: 10, as: "20")
    try addProcess(21, parent: 20, as: "21")
    try addProcess(22, parent: 21, as: "self")
    let outcome = try run(Self.program, arguments: ["pre-invoke", "21"])
    try addProcess(30, parent: 20, as: "self")
    environment["DPKG_FRONTEND_LOCKED"] = "true"
    return outcome
  }

  func postInvoke() throws -> Outcome { try run(Self.program, arguments: ["post-invoke"]) }

  /// Kills apt and gives its number to another process.
  func killApt() throws {
    let zeros = [String](repeating: "0", count: 17).joined(separator: " ")
    try directory.write("proc/20/stat", "20 (x) S 1 \(zeros) 99 0\n")
  }
}
