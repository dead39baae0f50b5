// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CommandSupport
package import HostSystem
internal import PveSbUki

/// What all hooks share: they find out which one is meant, reconcile, and say on standard error what changed or failed.
package struct HookProgram {
  package static let name = "pve-sb-uki"

  let host: Host
  /// Takes lines with their line feeds.
  let say: (String) -> Void

  package init(host: Host, say: @escaping (String) -> Void) {
    self.host = host
    self.say = say
  }

  /// Runs the hook that the first argument, the path it was called by, stands for. Returns the exit code.
  package func run(_ arguments: [String]) -> Int32 {
    let parameters = host.environment("DEB_MAINT_PARAMS")
    guard let call = HookCall(arguments: arguments, maintainerParameters: parameters) else {
      say("\(Self.name): error: this program is called by its links in /etc/kernel and /etc/initramfs\n")
      say("hint: for people there is: pve-sb-uki apply\n")
      return 2
    }
    guard call.isToBeHeeded else { return 0 }
    return switch call.place {
    case .kernelPostinst: KernelPostinst(program: self, release: call.release).run()
    case .kernelPostrm: KernelPostrm(program: self).run()
    case .initramfsPostUpdate: InitramfsPostUpdate(program: self).run()
    }
  }

  /// Reconciles and reports. Returns whether every kernel has the image it should have, or there is nothing to do here.
  func reconcile(_ apply: Apply = Apply()) -> Bool {
    do {
      let result = try apply.run(on: host)
      for image in result.images where image.state == .signed || image.state == .removed {
        say("\(Self.name): \(image.name) \(image.state.rawValue)\n")
      }
      if result.isChange { for note in result.notes { say("\(Self.name): note: \(note)\n") } }
      for failure in result.failures { say(ErrorReport.text(failure, program: Self.name)) }
      return result.failures.isEmpty
    } catch {
      say(ErrorReport.text(error, program: Self.name))
      return false
    }
  }
}
