// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
package import HostSystem
internal import Messages
internal import Reconcile

/// The common part of all hooks: finds out which one was called, reconciles now or at the end of the apt transaction,
/// and reports changes and failures on standard error.
package struct HookProgram {
  package static let name = "pve-sb-uki"

  /// The report of a fault in this program, one line.
  package static var crashLine: String {
    let line: Message = """
      \(name): error: the hook crashed; the host keeps booting its present UKIs; run 'pve-sb-uki status' and report \
      this defect
      """
    return line.localLine
  }

  let host: Host
  /// Writes text made of complete lines.
  let say: (String) -> Void

  package init(host: Host, say: @escaping (String) -> Void) {
    self.host = host
    self.say = say
  }

  /// Runs the hook identified by the first argument, the path of the link.
  ///
  /// Returns the exit code.
  package func run(_ arguments: [String]) -> Int32 {
    let parameters = host.environment("DEB_MAINT_PARAMS")
    guard let call = HookCall(arguments: arguments, maintainerParameters: parameters) else {
      printLine("\(Self.name): error: this program must be called through its links in /etc/kernel and /etc/initramfs")
      printLine("hint: run 'pve-sb-uki apply' instead")
      return 2
    }
    switch call.place {
    case .kernelPostinst: return KernelPostinst(program: self, call: call).run()
    case .kernelPostrm: return KernelPostrm(program: self, call: call).run()
    case .initramfsPostUpdate: return InitramfsPostUpdate(program: self).run()
    case .proxmoxBoot: return ProxmoxBoot(program: self, call: call).run()
    case .aptPreInvoke: return AptTransaction(program: self).begin(child: call.arguments.first)
    case .aptPostInvoke: return AptTransaction(program: self).end()
    case .reconcile:
      reconcileOrDefer()
      return 0
    case .generator, .bootOK, .selfTest: return TrialService(program: self, call: call).run()
    }
  }

  /// Reconciles, or defers that to the end of the apt transaction, so that one run serves all packages.
  ///
  /// `release` is a kernel that must have a UKI afterwards.
  func reconcileOrDefer(_ release: String? = nil) {
    if !DeferredApply.postpone(release, on: host) { _ = reconcile(release) }
  }

  /// Reconciles and reports.
  ///
  /// Returns true if every kernel has the UKI it should have, or if there is nothing to do.
  func reconcile(_ release: String? = nil) -> Bool {
    var options = ApplyOptions()
    options.expected = release
    return report { try Apply.run(options, on: host) }
  }

  func printLine(_ line: Message) { say(line.localLine) }

  /// Reports the changes and failures of `run`.
  ///
  /// Returns true if nothing failed.
  func report(_ run: () throws -> ApplyReport) -> Bool {
    do {
      var result = try run()
      if SigningService.start(for: &result, on: host) {
        printLine(
          "\(Self.name): the signing key has a passphrase; pve-sb-uki.service has it, and now makes the new UKIs")
      }
      for mended in result.mended { printLine("\(Self.name): \(mended)") }
      for image in result.images where [.signed, .copied, .removed].contains(image.state) {
        printLine("\(Self.name): \(image.esp): \(image.name) \(image.state.word)")
      }
      for loader in result.loaders { printLine("\(Self.name): \(loader) written") }
      for entry in result.entries + result.moduleSigning { printLine("\(Self.name): done: \(entry)") }
      if result.isChange { for note in result.notes { printLine("\(Self.name): note: \(note)") } }
      for failure in result.failures { say(ErrorReport.text(failure, program: Self.name)) }
      return result.failures.isEmpty
    } catch {
      say(ErrorReport.text(error, program: Self.name))
      return false
    }
  }
}
