// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
internal import BootEnvironment
import CommandLineInterface
import CommandSupport
import HostCommands
internal import Messages

struct BuildCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build a Unified Kernel Image from individual files",
    discussion: """
      Without --key the UKI is unsigned; sign it with 'pve-sb-uki sign'. Without --cmdline and --os-release, those of \
      this machine are used; an empty argument leaves them out.

      Example: pve-sb-uki build --linux /boot/vmlinuz-6.8.12-1-pve --initrd /boot/initrd.img-6.8.12-1-pve \
      --cmdline 'root=ZFS=rpool/ROOT/pve-1 boot=zfs' --key db.key --cert db.crt --output pve.efi
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var keyOptions: KeyOptions

  @Option(help: ArgumentHelp("Kernel with an EFI stub", valueName: "file"), completion: .file())
  var linux: String

  @Option(
    help: ArgumentHelp("Initrd; may be repeated, joined in this order", valueName: "file"),
    completion: .file())
  var initrd: [String]

  @Option(
    help: ArgumentHelp(
      "Kernel command line, or @ and the path of a file with it; this machine's by default", valueName: "text"))
  var cmdline: String?

  @Option(
    help: ArgumentHelp("os-release file, shown in boot menus; this machine's by default", valueName: "file"),
    completion: .file())
  var osRelease: String?

  @Option(help: ArgumentHelp("Kernel release; read from the kernel by default", valueName: "release"))
  var uname: String?

  @Option(
    help: ArgumentHelp("EFI stub; the one from systemd-boot-efi by default", valueName: "file"), completion: .file())
  var stub: String?

  @Option(
    help: ArgumentHelp("BMP picture to show at boot", valueName: "file"), completion: .file(extensions: ["bmp"]))
  var splash: String?

  @Option(help: ArgumentHelp("SBAT lines to add to those of stub and kernel", valueName: "file"), completion: .file())
  var sbat: String?

  @Option(help: ArgumentHelp("CPU microcode, an uncompressed cpio archive", valueName: "file"), completion: .file())
  var ucode: String?

  @Option(help: ArgumentHelp("Additional section as NAME=FILE; may be repeated", valueName: "name=file"))
  var section: [String] = []

  @Option(
    help: ArgumentHelp("Settings of a profile, ID.conf; may be repeated", valueName: "file"),
    completion: .file(extensions: ["conf"]))
  var profile: [String] = []

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Output file; the kernel's file name with .efi by default", valueName: "file"),
    completion: .file())
  var output: String?

  mutating func validate() throws {
    _ = try sections
    guard keyOptions.key != nil || keyOptions.passphrase.passphraseFile == nil else {
      throw ValidationError(saying: "--passphrase-file requires --key")
    }
  }

  func run() throws {
    var build = BuildImage(linux: linux, initrds: initrd)
    build.commandLine = cmdline
    build.osRelease = osRelease
    build.uname = uname
    build.stub = stub
    build.splash = splash
    build.sbat = sbat
    build.microcode = ucode
    build.sections = try sections
    build.profiles = profile
    build.key = try keyOptions.source()
    build.output = output
    let result = try build.run(on: keyOptions.passphrase.signing(global.host()))
    for note in result.notes { try global.note(note) }
    try global.print(Self.text(result), json: Self.json(result))
  }

  private var sections: [(name: String, path: String)] {
    get throws {
      try section.map { argument in
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
          throw ValidationError(saying: "--section expects NAME=FILE, not '\(argument)'")
        }
        return (parts[0], parts[1])
      }
    }
  }

  private static func text(_ result: BuildImage.Result) -> String {
    let line: Message =
      result.signer.map { "\(result.path): \(result.size) bytes, signed by \($0)" }
      ?? "\(result.path): \(result.size) bytes, unsigned"
    return line.localLine
  }

  private static func json(_ result: BuildImage.Result) -> JSONValue {
    .object([
      "path": .string(result.path), "size": .integer(result.size), "authenticode": .string(result.digest),
      "signer": JSONValue(result.signer), "uname": JSONValue(result.kernelRelease), "notes": JSONValue(result.notes),
    ])
  }
}
