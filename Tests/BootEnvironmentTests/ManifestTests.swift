// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import HostSystem
import TestSupport
import Testing

@Suite struct ManifestTests {
  private static func sample() throws -> Manifest {
    var manifest = Manifest()
    for (index, release) in ["6.1.0-1-amd64", "6.8.12-10-pve"].enumerated() {
      let kernel = try #require(Kernel(release: release))
      let image = ImageRecord(
        kernel: kernel, size: 123, digest: [UInt8](repeating: UInt8(index), count: 32),
        digestForm: index == 0 ? .image : .file, booted: index == 0 ? nil : 1_750_000_000,
        commandLine: "root=/dev/sda1  ro ",
        certificate: [UInt8](repeating: 0xab, count: 32),
        inputs: [
          InputRecord(path: kernel.imagePath, size: 1, modified: 2, inode: .max),
          InputRecord(path: "/a b", size: 0, modified: 0, inode: 0),
        ])
      manifest.place(
        image,
        at: [
          ImageRecord.Copy(esp: "1111-AAA1", name: UKIName(kernel), modified: -5),
          ImageRecord.Copy(esp: "/efi dir", name: UKIName(kernel, isPrevious: true), modified: 7),
        ])
    }
    return manifest
  }

  /// A place has one UKI; a UKI without a place is dropped.
  @Test func aPlaceHasOnlyOneImage() throws {
    var manifest = try Self.sample()
    let first = try #require(manifest.images.first)
    let second = try #require(manifest.images.last)
    let name = UKIName(first.kernel)
    manifest.place(second, at: [ImageRecord.Copy(esp: "1111-AAA1", name: name, modified: 1)])
    #expect(manifest.image(on: "1111-AAA1", name)?.digest == second.digest)
    #expect(manifest.image(withDigest: second.digest)?.copies.count == 3)
    #expect(manifest.image(withDigest: first.digest)?.copies.count == 1)
    manifest.remove(UKIName(first.kernel, isPrevious: true), on: "/efi dir")
    #expect(manifest.image(withDigest: first.digest) == nil)
  }

  @Test func aSavedManifestIsLoaded() throws {
    let directory = try TemporaryDirectory()
    let recorder = MutationRecorder()
    let files = try directory.host(gate: recorder.gate).files
    #expect(Manifest.load(from: files).manifest == Manifest())
    let manifest = try Self.sample()
    try manifest.save(to: files)
    let (loaded, note) = Manifest.load(from: files)
    #expect(loaded == manifest && note == nil)
    let count = recorder.mutations.count
    try loaded.save(to: files)
    #expect(recorder.mutations.count == count)
  }

  @Test func everyPrefixIsRejected() throws {
    let content = try Self.sample().serialize()
    #expect(try Manifest(parsing: content) == Self.sample())
    for count in 0..<content.count { #expect(Manifest(parsing: Array(content[..<count])) == nil) }
  }

  @Test func damagedManifestsAreRejectedOrConsistent() throws {
    for content in Mutations(of: try Self.sample().serialize(), count: 5000) {
      guard let manifest = Manifest(parsing: content) else { continue }
      for image in manifest.images { #expect(Kernel(release: image.kernel.release) != nil && !image.copies.isEmpty) }
    }
  }

  @Test(arguments: ["", "\n", "pve-sb-uki manifest 1\nend\n", "pve-sb-uki manifest 2\nend\nend\n"])
  func anInvalidManifestIsEmptyWithANote(text: String) throws {
    let directory = try TemporaryDirectory()
    try directory.write("var/lib/pve-sb-uki/manifest", text)
    let (manifest, note) = try Manifest.load(from: directory.host().files)
    #expect(manifest == Manifest() && note?.contains("manifest") == true)
  }
}
