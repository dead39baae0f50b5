// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import EFIData
import HostSystem
import KernelModules
import Messages
import TestSupport
import Testing

@Suite struct ModuleSurveyTests {
  private let scene: ModuleScene

  init() throws { scene = try ModuleScene() }

  @Test(arguments: ["sha256", "sha384", "sha512"]) func ownSignaturesAreTrustedOnceEnrolled(_ digest: String)
    throws
  {
    let signature = try ModuleScene.signature(over: ModuleScene.content, by: scene.key, digest: digest)
    try scene.put("plain.ko", ModuleScene.module(ModuleScene.content, signature))
    #expect(try scene.survey() == ["plain": .known(scene.key.certificate)])
    try scene.enrol(scene.key, in: .signatureDatabase)
    #expect(try scene.survey() == ["plain": .trusted(.init(keyring: .platform, certificate: scene.key.certificate))])
    try scene.enrol(scene.key, in: .forbiddenDatabase)
    #expect(try scene.survey() == ["plain": .known(scene.key.certificate)])
  }

  @Test func machineOwnerKeysAreTrustedToo() throws {
    let other = try ModuleScene.otherKey()
    let signature = try ModuleScene.signature(over: ModuleScene.content, by: other)
    try scene.put("other.ko", ModuleScene.module(ModuleScene.content, signature))
    guard case .unknown(let signer)? = try scene.survey()["other"] else { Issue.record("not unknown"); return }
    #expect(signer == "CN = Another, serial number 112233")
    try scene.directory.write("var/lib/dkms/mok.pub", other.certificate.der)
    #expect(try scene.survey() == ["other": .known(other.certificate)])
    try scene.enrol(other, in: .machineOwnerKeys)
    #expect(try scene.survey() == ["other": .trusted(.init(keyring: .platform, certificate: other.certificate))])
  }

  /// Compressed with the tools that dkms uses; the signature is inside.
  @Test(arguments: [("xz", "xz"), ("zstd", "zst"), ("gzip", "gz")])
  func compressedModulesAreRead(_ tool: String, _ suffix: String) throws {
    let module = ModuleScene.module(
      ModuleScene.content, try ModuleScene.signature(over: ModuleScene.content, by: scene.key))
    try scene.put("m.ko", module)
    let directory = scene.directory.path(of: "lib/modules/\(ModuleScene.release)/updates/dkms")
    let arguments = tool == "zstd" ? ["-q", "--rm"] : []
    try ExternalTool(tool).run(arguments + ["\(directory)/m.ko"])
    #expect(try scene.directory.list("lib/modules/\(ModuleScene.release)/updates/dkms") == ["m.ko.\(suffix)"])
    #expect(try scene.survey() == ["m": .known(scene.key.certificate)])

    let packed = try #require(
      try scene.directory.read("lib/modules/\(ModuleScene.release)/updates/dkms/m.ko.\(suffix)"))
    for count in [1, 20, packed.count / 2, packed.count - 9] {
      try scene.put("m.ko.\(suffix)", Array(packed.prefix(count)))
      let signature = try #require(try scene.survey()["m"])
      // A single header byte does not look compressed, but like an unsigned module.
      guard case .bad = signature else {
        #expect(count == 1 && signature == .none, "\(count) bytes: \(signature)")
        continue
      }
    }
  }

  @Test func changedAndUnsignedModulesAreDistinguished() throws {
    let signature = try ModuleScene.signature(over: ModuleScene.content, by: scene.key)
    var changed = ModuleScene.content
    changed[ModuleScene.content.count / 2] ^= 1
    try scene.put("changed.ko", ModuleScene.module(changed, signature))
    try scene.put("unsigned.ko", ModuleScene.content)
    try scene.put("empty.ko", [UInt8]())
    try scene.put("garbage.ko", ModuleScene.module(ModuleScene.content, Array("no DER at all".utf8)))
    try scene.put("huge.ko", ModuleScene.module([], signature, size: 1 << 30))
    try scene.put("old.ko", ModuleScene.module(ModuleScene.content, signature, idType: 1))
    try scene.put("short.ko", Array("~Module signature appended~\n".utf8))
    try scene.put("dkms.log", Array("no module".utf8))
    let found = try scene.survey()
    #expect(found["unsigned"] == ModuleTrust.Verdict.none && found["empty"] == ModuleTrust.Verdict.none)
    #expect(found["changed"] == .bad("its signature is invalid"))
    for name in ["garbage", "huge", "old", "short"] {
      guard case .bad? = found[name] else { Issue.record("\(name): \(String(describing: found[name]))"); continue }
    }
    #expect(found.count == 7)
  }

  /// The format with attributes and the certificate: the kernel accepts it, but sign-file never makes it.
  @Test func otherFormsOfPKCS7AreRecognised() throws {
    let key = scene.key
    let (keyFile, certificate, data) = (
      try key.keyFile(), try key.certificateFile(), try ScratchFile(ModuleScene.content)
    )
    let signature = try withExtendedLifetime((keyFile, certificate, data)) {
      try ExternalTool("openssl").run([
        "cms", "-sign", "-binary", "-outform", "DER", "-signer", certificate.path, "-inkey", keyFile.path, "-in",
        data.path,
      ])
    }
    try scene.put("m.ko", ModuleScene.module(ModuleScene.content, signature))
    guard case .bad? = try scene.survey()["m"] else { Issue.record("not bad"); return }
  }

  /// Modifies every third byte in turn: a change of content, signature value or trailer is always detected.
  ///
  /// The rest of the message (version, names of algorithms) is not covered by the signature.
  @Test func damagedModulesAreNeverTrusted() throws {
    let content = Array("a small module".utf8)
    let signature = try ModuleScene.signature(over: content, by: scene.key)
    let module = ModuleScene.module(content, signature)
    let envelope = content.count..<content.count + signature.count - 256
    for index in stride(from: 0, to: module.count, by: 3) {
      var bytes = module
      bytes[index] ^= 0x55
      try scene.put("m.ko", bytes)
      let found = try #require(try scene.survey()["m"])
      if case .known = found, !envelope.contains(index) { Issue.record("byte \(index) was changed") }
    }
  }
}

extension ModuleScene {
  func enrol(_ key: SigningKey, in variable: EFIVariableName) throws {
    let owner = try #require(GUID("77fa9abd-0359-4d32-bd60-28f4e78f784b"))
    let content = [6, 0, 0, 0] + SignatureDatabase(certificates: [key.certificate.der], owner: owner).serialize()
    try directory.write("sys/firmware/efi/efivars/\(variable.fileName)", content)
  }
}
