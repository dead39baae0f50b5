// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
package import HostSystem
internal import Messages
internal import Reconcile

/// What all hooks share: they find out which one is meant, reconcile now or at the end of the apt transaction they are
/// part of, and say on standard error what changed or failed.
package struct HookProgram {
  package static let name = "pve-sb-uki"

  let host: Host
  /// Takes lines with their line feeds.
  let say: (String) -> Void

  package init(host: Host, say: @escaping (String) -> Void) {
    self.host = host
    self.say = say
  }

  /// Runs the hook that the first argument, the path it was called by, stands for.
  ///
  /// Returns the exit code.
  package func run(_ arguments: [String]) -> Int32 {
    let parameters = host.environment("DEB_MAINT_PARAMS")
    guard let call = HookCall(arguments: arguments, maintainerParameters: parameters) else {
      tell("\(Self.name): error: this program is called by its links in /etc/kernel and /etc/initramfs")
      tell("hint: for people there is: pve-sb-uki apply")
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
      reconcileInTime()
      return 0
    }
  }

  /// Reconciles, unless it can be put off: one run for all packages of an apt transaction.
  ///
  /// Of `release`, if there is one, an image is expected then.
  func reconcileInTime(_ release: String? = nil) {
    if !DeferredApply.postpone(release, on: host) { _ = reconcile(release) }
  }

  /// Reconciles and reports.
  ///
  /// Returns whether every kernel has the image it should have, or there is nothing to do here.
  func reconcile(_ release: String? = nil) -> Bool {
    var options = ApplyOptions()
    options.expected = release
    return report { try Apply.run(options, on: host) }
  }

  private func tell(_ line: Message) { say(line.localLine) }

  /// Says what `run` changed or failed at.
  ///
  /// Returns whether nothing failed.
  func report(_ run: () throws -> ApplyReport) -> Bool {
    do {
      let result = try run()
      for mended in result.mended { tell("\(Self.name): \(mended)") }
      for image in result.images where [.signed, .copied, .removed].contains(image.state) {
        tell("\(Self.name): \(image.esp): \(image.name) \(image.state.word)")
      }
      for loader in result.loaders { tell("\(Self.name): \(loader) written") }
      for entry in result.entries + result.moduleSigning { tell("\(Self.name): done: \(entry)") }
      if result.isChange { for note in result.notes { tell("\(Self.name): note: \(note)") } }
      for failure in result.failures { say(ErrorReport.text(failure, program: Self.name)) }
      return result.failures.isEmpty
    } catch {
      say(ErrorReport.text(error, program: Self.name))
      return false
    }
  }
}
