// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import BootEnvironment
import Findings
import Glibc
import HostSystem
import InitialRAMDisk
import StartupCheck
import TestSupport
import UnifiedKernelImage

/// `startup-runner list FILE`: prints the names of the files in an initrd, one per line.
///
/// `startup-runner check ROOT RELEASE FILE LINE`: examines a UKI with that initrd and command line as if `ROOT` were the
/// running system, and prints each finding, as its kind, message and first command between tabs.
///
/// `startup-runner record FILE LINE COUNT`: examines a UKI `COUNT` times, and prints the seconds of processor time of the
/// first time and of all others together.
@main
struct StartupRunner {
  struct Wrong: Error {}

  static func main() throws {
    let arguments = Array(ProcessArguments.all.dropFirst())
    switch arguments.first {
    case "list" where arguments.count == 2: try list(arguments[1])
    case "check" where arguments.count == 5: try check(arguments[1], arguments[2], arguments[3], arguments[4])
    case "record" where arguments.count == 4: try record(arguments[1], arguments[2], arguments[3])
    default:
      print("usage: startup-runner list FILE | check ROOT RELEASE FILE LINE | record FILE LINE COUNT")
      exit(2)
    }
  }

  private static func list(_ path: String) throws {
    try InitialRAMDisk(FileSystem().openFile(path)).forEachMember { print($0.name) }
  }

  private static func image(_ initrd: String, _ line: String, _ release: String) throws -> [UInt8] {
    let stub = NamedInput(name: "stub", bytes: try Fixture.stub257.bytes())
    let disk = NamedInput(name: initrd, bytes: try FileSystem().openFile(initrd))
    var recipe = ImageRecipe(stub: stub, linux: stub, initrds: [disk])
    recipe.commandLine = Array(line.utf8)
    recipe.osRelease = NamedInput(name: "os-release", bytes: Array("ID=debian\n".utf8))
    recipe.uname = release
    let sink = MemorySink()
    _ = try ImageBuilder.write(ImagePlan(recipe), to: sink, signingBy: nil)
    return sink.bytes
  }

  private static func check(_ root: String, _ release: String, _ initrd: String, _ line: String) throws {
    guard let kernel = Kernel(release: release) else { throw Wrong() }
    let bytes = try image(initrd, line, release)
    var host = try Host(root: root)
    host.isRunningSystem = true
    host.kernelRelease = release
    var survey = StartupSurvey(on: host, known: StartupRecord())
    for finding in survey.examine(StartupSurvey.Image(kernel, name: "UKI") { bytes }).findings {
      print("\(finding.kind.rawValue)\t\(finding.message)\t\(finding.command.map { "\($0)" } ?? "")")
    }
  }

  private static func record(_ initrd: String, _ line: String, _ count: String) throws {
    guard let kernel = Kernel(release: "6.1.0-1"), let count = Int(count) else { throw Wrong() }
    let bytes = try image(initrd, line, kernel.release)
    var known = StartupRecord()
    var times: [Double] = []
    for _ in 0..<max(1, count) {
      let start = processorTime
      var survey = StartupSurvey(on: try Host(), known: known)
      let digest = [UInt8](repeating: 1, count: 32)
      _ = survey.examine(StartupSurvey.Image(kernel, name: "UKI", digest: digest) { bytes })
      known = survey.record
      times.append(processorTime - start)
    }
    print(times[0], times.dropFirst().reduce(0, +))
  }

  private static var processorTime: Double {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }
}
