// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import KernelRepack
import Messages
import SigningKeys
import TestSupport
import Testing

/// Kernels in the layout of Debian 14: image, modules and configuration of a kernel in three packages.
@Suite struct RepackSplitTests {
  private static let directory = "usr/lib/modules/\(RepackScene.kernel)"

  /// As linux-base-K, linux-binary-K and linux-modules-K of Debian 14.
  private static func packages(_ scene: RepackScene, digest: String = "sha512") throws -> [String] {
    [
      try scene.build(
        "mkdir -p \(directory); echo 'CONFIG_MODULE_SIG_HASH=\"\(digest)\"' >\(directory)/config",
        package: "linux-base-1"),
      try scene.build("mkdir -p \(directory); cp $IMAGE \(directory)/vmlinuz", package: "linux-binary-1"),
      try scene.build(
        "mkdir -p \(directory)/kernel; cp $MODULE \(directory)/kernel/a.ko", package: "linux-modules-1"),
    ]
  }

  private static func summary(_ outcomes: [Repack.Outcome]) -> [String] {
    outcomes.map { outcome in
      switch outcome.result {
      case .configuration: "configuration"
      case .failed(let failure): failure.message.description
      case .repacked(let report):
        report.changes.map { change in
          if case .module(let digest, _) = change.kind { "\(change.path) \(digest)" } else { change.path }
        }.joined(separator: ",")
      }
    }
  }

  @Test("Packages of one call know each other's configurations", arguments: [[0, 1, 2], [2, 1, 0]])
  func splitKernel(_ order: [Int]) throws {
    let scene = try RepackScene()
    let packages = try Self.packages(scene)
    let outcomes = try scene.repack(order.map { packages[$0] }) { $0.modules = .unsigned }
    let expected = ["configuration", "\(Self.directory)/vmlinuz", "\(Self.directory)/kernel/a.ko sha512"]
    #expect(Self.summary(outcomes) == order.map { expected[$0] })
    for (outcome, original) in zip(outcomes, order.map({ packages[$0] })) {
      guard case .repacked(let report) = outcome.result else { continue }
      let isBinary = report.input.package == "linux-binary-1"
      try scene.check(report, image: isBinary ? "\(Self.directory)/vmlinuz" : nil)
      #expect(try scene.problems(original, report) == [])
    }
  }

  @Test("Without the configuration, the error says which package is missing")
  func missingConfiguration() throws {
    let scene = try RepackScene()
    let packages = try Self.packages(scene)
    let failure = thrown(Failure.self) { try scene.repackOne(packages[2]) { $0.modules = .unsigned } }
    #expect(failure?.message.description.contains("CONFIG_MODULE_SIG_HASH") == true)
    #expect(failure?.hint?.description.contains("linux-base-\(RepackScene.kernel)") == true)
  }

  @Test("A package without kernel files is not called signed", arguments: [ModulePolicy.none, .unsigned, .all])
  func nothingToSign(_ modules: ModulePolicy) throws {
    let scene = try RepackScene()
    let packages = try Self.packages(scene)
    let failure = thrown(Failure.self) { try scene.repackOne(packages[0]) { $0.modules = modules } }
    #expect(failure?.message.description.contains("it contains no kernel image") == true)
    // Modules alone are nothing to sign unless that is asked for.
    if case .none = modules {
      let modules = thrown(Failure.self) { try scene.repackOne(packages[2]) }
      #expect(modules?.message.description.contains("it contains no kernel image") == true)
      #expect(modules?.hint?.description.contains("--sign-modules") == true)
    }
  }

  @Test("Configurations of other packages that disagree are an error, the package's own applies")
  func configurationsThatDisagree() throws {
    let scene = try RepackScene()
    let first = try Self.packages(scene)
    try scene.shell("cp linux-base-1.deb other.deb")
    _ = try Self.packages(scene, digest: "sha256")
    let both = [first[0], scene.directory.path(of: "other.deb"), first[2]]
    #expect(Self.summary(try scene.repack(both) { $0.modules = .unsigned })[2].contains("differs between"))
    let complete = try scene.build(
      """
      mkdir -p \(Self.directory)/kernel; echo 'CONFIG_MODULE_SIG_HASH="sha384"' >\(Self.directory)/config
      cp $MODULE \(Self.directory)/kernel/b.ko
      """, package: "linux-modules-2")
    #expect(
      Self.summary(try scene.repack([first[0], complete]) { $0.modules = .unsigned })
        == ["configuration", "\(Self.directory)/kernel/b.ko sha384"])
  }

  @Test("A configuration after the modules is found")
  func lateConfiguration() throws {
    let scene = try RepackScene()
    let package = try scene.build(
      "mkdir -p lib/modules/$K; cp $MODULE lib/modules/$K/a.ko; echo 'CONFIG_MODULE_SIG_HASH=\"sha256\"' >boot/config-$K",
      archive: "./ ./lib/ ./lib/modules/$K/a.ko ./boot/ ./boot/config-$K")
    #expect(try scene.repackOne(package) { $0.modules = .unsigned }.changes.count == 1)
  }

  @Test("Attaching detached signatures gives the same packages as signing with the key")
  func attachTakesWhatDetachSigned() throws {
    let scene = try RepackScene()
    var packages = try Self.packages(scene)
    packages.append(
      try scene.build(
        """
        mkdir -p usr/lib/efi; cp $IMAGE usr/lib/efi/tool.efi; cp $IMAGE boot/image; ln boot/image boot/vmlinuz-$K
        """, package: "linux-other-1"))
    func entry(_ kind: String, _ file: String) -> String { #"{"sig_type": "\#(kind)", "file": "\#(file)"}"# }
    let image = "boot/vmlinuz-\(RepackScene.kernel)"
    let files = [
      "linux-binary-1": entry("efi", "\(Self.directory)/vmlinuz"),
      "linux-modules-1": entry("linux-module", "\(Self.directory)/kernel/a.ko"),
      "linux-other-1": [entry("efi", "usr/lib/efi/tool.efi"), entry("efi", image)].joined(separator: ","),
    ]
    let list = files.map { #""\#($0)": {"trusted_certs": [], "files": [\#($1)]}"# }.joined(separator: ",")
    let template = try scene.build(
      "mkdir -p usr/share/code-signing/t; echo '{\"packages\": {\(list)}}' >usr/share/code-signing/t/files.json",
      package: "t")
    var key: KeySource?
    var direct: [String: [UInt8]] = [:]
    let signed = try scene.repack(packages) { repack in
      repack.modules = .all
      if case .key(let source) = repack.signing { key = source }
    }
    for outcome in signed {
      if case .repacked(let report) = outcome.result { direct[report.input.package] = report.output.sha256 }
    }
    let signatures = scene.directory.path(of: "signatures")
    let made = try DetachedSignatures(
      template: template, packages: packages, outputDirectory: signatures, key: try #require(key)
    ).run(on: scene.directory.host())
    #expect(made.signatures.count == 4)
    try scene.shell("rm -r out")
    let outcomes = try scene.repack(packages) { $0.signing = .attached(signatures) }
    #expect(
      Self.summary(outcomes) == [
        "configuration", "\(Self.directory)/vmlinuz", "\(Self.directory)/kernel/a.ko sha512",
        "\(image),usr/lib/efi/tool.efi",
      ])
    for (original, outcome) in zip(packages, outcomes) {
      guard case .repacked(let report) = outcome.result else { continue }
      try scene.check(report)
      #expect(try scene.problems(original, report) == [])
      if report.input.package != "linux-other-1" { #expect(direct[report.input.package] == report.output.sha256) }
    }
    // A signature for a file that does not exist is an error.
    try scene.shell("cp signatures/linux-binary-1/\(Self.directory)/vmlinuz.sig signatures/linux-binary-1/other.sig")
    let failed = Self.summary(try scene.repack([packages[1]]) { $0.signing = .attached(signatures) })
    #expect(failed[0].contains("other has a signature"))
  }
}
