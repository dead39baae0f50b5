// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Cryptography
import Findings
import Glibc
import HostCommands
import HostScenes
import HostSystem
internal import Messages
import Reconcile
import TestSupport
import Testing

@Suite struct KeyFindingsTests {
  private let scene: ApplyScene
  private let key = "etc/pve-sb-uki/keys/db.key"
  init() throws { scene = try ApplyScene() }

  /// The findings and the plan of a host on which nothing is changed.
  private func findings(_ change: (inout Host) -> Void = { _ in }) throws -> (found: [Finding], plan: ApplyPlan) {
    let recorder = MutationRecorder()
    var host = try scene.host(recorder)
    host.programTime = SigningKey.now - 86_400
    change(&host)
    guard case .ready(let configuration, let survey) = try Readiness(of: host) else {
      throw Failure("the host is skipped")
    }
    var options = ApplyOptions()
    options.isDryRun = true
    let assessment = try Assessment(of: host, configuration: configuration, survey: survey, options: options)
    let found = KeyFindings.of(assessment.observation, assessment.plan)
    #expect(recorder.mutations.isEmpty)
    return (found, assessment.plan)
  }

  private func settings(_ text: String) throws { try scene.directory.write("etc/pve-sb-uki/pve-sb-uki.conf", text) }

  /// Encrypts the key as an administrator would, with openssl.
  private func lock() throws {
    let path = scene.directory.path(of: key)
    try ExternalTool("openssl").run(["pkey", "-in", path, "-aes256", "-passout", "pass:secret", "-out", "\(path).new"])
    rename("\(path).new", path)
  }

  @Test func aUsableKeyHasNoFindings() throws {
    #expect(try findings().found.isEmpty)
    try scene.apply()
    #expect(try findings().found.isEmpty)
  }

  /// The printed command makes the key usable.
  @Test func aKeyWithAPassphraseKeepsKernelsWaiting() throws {
    try scene.apply()
    let old = try scene.image(ApplyScene.newer)
    try lock()
    let idle = try findings().found
    #expect(idle.map(\.kind) == [.remark] && idle[0].message.contains("db.key is protected by a passphrase"))
    try scene.directory.write("boot/initrd.img-\(ApplyScene.newer)", "changed")
    let (found, plan) = try findings()
    #expect(found.map(\.kind) == [.keyAway])
    #expect(
      found[0].message.description == """
        waiting for the signing key: 1 kernel, \(ApplyScene.newer): \(scene.directory.path(of: key)) is protected by a \
        passphrase; the present UKIs boot
        """)
    #expect(plan.waitingForKey.map(\.release) == [ApplyScene.newer] && !plan.isChange)
    #expect(plan.kernels.map(\.imageState) == ["waiting", "made"])

    let report = try scene.apply()
    #expect(report.failures.count == 1 && report.images.map(\.state) == [.kept, .current])
    #expect(report.failures[0].message.contains("passphrase: kernel \(ApplyScene.newer) waits for the signing key"))
    #expect(report.totals.map(\.count) == [2] && report.totals.map(\.kept) == [1])
    #expect(try scene.image(ApplyScene.newer) == old)

    #expect(try #require(found[0].command).description == "pve-sb-uki apply")
    let asked = Guarded([String]())
    let (finished, changes) = try apply(answering: ["wrong", "secret"], asked)
    #expect(asked.withLock { $0.count } == 2 && finished.failures.isEmpty && changes > 0)
    // Nothing is left to be signed, so nothing is asked.
    #expect(try apply(answering: ["secret"], asked).report.failures.isEmpty && asked.withLock { $0.count } == 2)
    #expect(try findings().found.map(\.kind) == [.remark])
    #expect(try scene.isComplete(ApplyScene.newer))
  }

  /// Runs `apply` for a person who gives these answers; questions come before all changes.
  private func apply(
    answering answers: [String], _ asked: Guarded<[String]>
  ) throws -> (report: ApplyReport, changes: Int) {
    let recorder = MutationRecorder()
    var host = try scene.host(recorder)
    let rest = Guarded(answers)
    host.passphrases.mayAsk = true
    host.terminal = Terminal(
      isThere: { true }, readLine: { nil },
      readSecret: { question in
        #expect(recorder.mutations.isEmpty)
        asked.withLock { $0.append(question) }
        var bytes = rest.withLock { $0.isEmpty ? [] : Array($0.removeFirst().utf8) }
        return Secret(wiping: &bytes)
      })
    return (try Apply.run(on: host), recorder.mutations.count)
  }

  @Test func wrongAnswersChangeNothing() throws {
    try scene.apply()
    try lock()
    try scene.directory.write("boot/initrd.img-\(ApplyScene.newer)", "changed")
    let asked = Guarded([String]())
    let error = thrown(Failure.self) { try apply(answering: [], asked) }
    #expect(error?.message.contains("wrong passphrase for") == true && asked.withLock { $0.count } == 3)
  }

  @Test func theSettingsNameAFileWithThePassphrase() throws {
    try scene.apply()
    try lock()
    try scene.directory.write("boot/initrd.img-\(ApplyScene.newer)", "changed")
    try settings("PassphraseFile=/root/passphrase\n")
    try scene.directory.write("root/passphrase", "Secret\n", mode: 0o600)
    let found = try findings().found
    #expect(found.map(\.kind) == [.keyAway] && found[0].message.contains("root/passphrase does not open"))
    try scene.directory.write("root/passphrase", "secret\n", mode: 0o600)
    #expect(try findings().found.isEmpty)
    #expect(try scene.apply().failures.isEmpty && scene.isComplete(ApplyScene.newer))
  }

  @Test func aKeyOnAStickIsAwayMostOfTheTime() throws {
    for name in ["db.key", "db.crt"] {
      let content = try #require(try scene.directory.read("etc/pve-sb-uki/keys/\(name)"))
      try scene.directory.write("media/stick/\(name)", content, mode: 0o600)
    }
    try settings("Key=/media/stick/db.key\nCertificate=/media/stick/db.crt\n")
    try scene.apply()
    let stick = scene.directory.path(of: "media/stick")
    rename(stick, scene.directory.path(of: "media/elsewhere"))
    // Nothing is to be signed: no attention, and the UKIs are up to date.
    #expect(try findings().found.map(\.kind) == [.remark])
    #expect(try scene.apply().failures.isEmpty)
    try scene.addKernel("6.8.12-11-pve")
    let (found, plan) = try findings()
    #expect(found.map(\.kind) == [.keyAway] && found[0].command == nil && found[0].actions.count == 1)
    #expect(found[0].actions[0].text.hasSuffix("\(stick)/db.key, then run: pve-sb-uki apply"))
    #expect(plan.waitingForKey.map(\.release) == ["6.8.12-11-pve"])
    let report = try scene.apply()
    #expect(report.failures.count == 1 && report.images.map(\.state) == [.waiting, .current])
    // The oldest kernel is no longer among those that get a UKI, but nothing is removed before the key is back.
    #expect(try scene.imageNames().count == 2)
    rename(scene.directory.path(of: "media/elsewhere"), stick)
    #expect(try scene.apply().failures.isEmpty && findings().found.isEmpty)
    #expect(try scene.imageNames() == ["pve-6.8.12-10-pve.efi", "pve-6.8.12-11-pve.efi"])
  }

  /// The certificate alone is on the medium of the key.
  @Test func aKeyOnATokenThatDoesNotAnswer() throws {
    try settings("Key=pkcs11:token=none;object=db\n")
    let (found, plan) = try findings()
    #expect(found.map(\.kind) == [.keyAway] && plan.waitingForKey.count == 2)
    #expect(found[0].message.contains("the token with the key pkcs11:token=none;object=db does not answer"))
    #expect(found[0].actions[0].text == "connect the token, then run: pve-sb-uki apply")
    #expect(try scene.apply().images.map(\.state) == [.waiting, .waiting])
  }

  @Test(arguments: ["no key", ""]) func aDamagedKeyIsNotAway(_ content: String) throws {
    try scene.directory.write(key, content, mode: 0o600)
    let (found, plan) = try findings()
    #expect(found.map(\.kind) == [.keyUnusable] && plan.waitingForKey.isEmpty && !plan.failures.isEmpty)
    #expect(found[0].actions.count == 1)
  }

  @Test func damagedKeysNeverStopTheReport() throws {
    let good = try #require(try scene.directory.read(key))
    for damaged in Mutations(of: good, count: 60) {
      try scene.directory.write(key, damaged, mode: 0o600)
      let kinds = try findings().found.map(\.kind)
      #expect(kinds.isEmpty || kinds == [.keyUnusable] || kinds == [.keyAway])
    }
  }

  @Test func aMissingCertificateIsReported() throws {
    try scene.apply()
    unlink(scene.directory.path(of: "etc/pve-sb-uki/keys/db.crt"))
    let (found, plan) = try findings()
    #expect(found.map(\.kind) == [.keyUnusable] && found[0].message.contains("db.crt"))
    #expect(plan.failures.contains { $0.message == found[0].message })
    #expect(try scene.apply().failures.count == 1)
  }
}
