// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import KernelRepack
import Messages
import TestSupport
import Testing

/// Files with several names, names that occur twice, and files that md5sums does not list.
@Suite struct RepackLinkTests {
  @Test(
    "A kernel image is signed under all of its names",
    arguments: [
      "cp $IMAGE boot/vmlinuz-$K; ln boot/vmlinuz-$K boot/vmlinuz",
      "cp $IMAGE boot/vmlinuz-$K; ln boot/vmlinuz-$K boot/zImage; ln boot/vmlinuz-$K usr/share/kernel",
      "cp $IMAGE boot/image; ln boot/image boot/vmlinuz-$K",
      "mkdir -p a; cp $IMAGE a/b; ln a/b boot/c; ln a/b boot/vmlinuz-$K; ln a/b usr/share/d",
      "mkdir -p opt; cp $IMAGE opt/kernel; ln -s ../opt/kernel boot/vmlinuz-$K",
      "mkdir -p opt; cp $IMAGE opt/kernel; ln -s /opt/kernel boot/vmlinuz-$K",
      "mkdir -p opt; cp $IMAGE opt/kernel; ln -s kernel opt/a; ln -s ../opt/a boot/vmlinuz-$K; ln -s loop boot/loop",
      "mkdir -p opt; cp $IMAGE opt/kernel; ln opt/kernel opt/name; ln -s ../opt/name boot/vmlinuz-$K",
      """
      mkdir -p usr/lib/modules/$K; cp $IMAGE usr/lib/modules/$K/vmlinuz
      ln -s ../usr/lib/modules/$K/vmlinuz boot/vmlinuz-$K
      """,
    ], ["xz", "none"])
  func linkedImages(_ script: String, _ compression: String) throws {
    let scene = try RepackScene()
    let package = try scene.build(script, compression: compression)
    let report = try scene.repackOne(package)
    #expect(report.changes.count == 1)
    let target = try scene.shell(
      "cd tree-\(RepackScene.name); realpath --relative-to=. boot/vmlinuz-$K 2>/dev/null || echo opt/kernel")
    let image = target.split(separator: "\n").last.map(String.init) ?? ""
    try scene.check(report, image: image.hasPrefix("..") || image.hasPrefix("/") ? "opt/kernel" : image)
    #expect(try scene.problems(package, report) == [])
  }

  @Test(
    "A module is signed under all of its names",
    arguments: [
      "cp $MODULE lib/modules/$K/a.ko; ln lib/modules/$K/a.ko lib/modules/$K/b.ko",
      "mkdir -p lib/a; cp $MODULE lib/a/m; ln lib/a/m lib/modules/$K/m.ko",
      "mkdir -p lib/a; xz -c --check=crc32 $MODULE >lib/a/m; ln lib/a/m lib/modules/$K/m.ko.xz",
    ])
  func linkedModules(_ script: String) throws {
    let scene = try RepackScene()
    let package = try scene.build(
      """
      mkdir -p lib/modules/$K; echo 'CONFIG_MODULE_SIG_HASH="sha256"' >boot/config-$K; cp $IMAGE boot/vmlinuz-$K
      \(script)
      """)
    let report = try scene.repackOne(package) { $0.modules = .unsigned }
    #expect(report.changes.count == 2 && report.changes.contains { $0.links.count == 1 })
    try scene.check(report, image: "boot/vmlinuz-\(RepackScene.kernel)")
    #expect(try scene.problems(package, report) == [])
  }

  @Test("Hard links in a renamed directory lead to the renamed file")
  func renamedLinks() throws {
    let scene = try RepackScene()
    let long = String(repeating: "long", count: 20)
    let package = try scene.build(
      """
      cp $IMAGE boot/vmlinuz-$K; cd usr/share/doc/\(RepackScene.name)
      ln copyright license; ln copyright \(long); ln copyright ../../other; ln ../../../../boot/vmlinuz-$K image; cd -
      """)
    let report = try scene.repackOne(package) { $0.naming = .asSigned }
    try scene.check(report, image: "boot/vmlinuz-\(RepackScene.kernel)")
    #expect(
      try scene.shell("cd o/usr/share; cat other doc/*-signed/license doc/*-signed/long*") == "GPL-2\nGPL-2\nGPL-2\n")
    #expect(try scene.shell("ls o/usr/share/doc") == "\(RepackScene.name)-signed\n")
    #expect(try scene.problems(package, report) == [])
  }

  @Test(
    "An image that md5sums does not list is signed",
    arguments: ["usr/lib/modules/x/vmlinuz", "boot/vmlinuz-other", "boot/zz/vmlinuz", "boot/vmlinuz"])
  func unlistedImages(_ path: String) throws {
    let scene = try RepackScene()
    let package = try scene.build(
      """
      cp $IMAGE boot/vmlinuz-$K; mkdir -p "$(dirname \(path))"; cp $IMAGE \(path)
      """,
      archive: """
        ./ ./boot/ ./boot/vmlinuz-\(RepackScene.kernel) ./usr ./usr/share/doc/\(RepackScene.name)/copyright ./\(path)
        """, unlisted: path)
    let report = try scene.repackOne(package)
    #expect(report.changes.map(\.path).sorted() == ["boot/vmlinuz-\(RepackScene.kernel)", path].sorted())
    try scene.check(report, image: path)
  }

  @Test("An archive with the same file twice is rejected")
  func sameFileTwice() throws {
    let scene = try RepackScene()
    let image = "./boot/vmlinuz-\(RepackScene.kernel)"
    let package = try scene.build(
      "cp $IMAGE boot/vmlinuz-$K",
      archive: "./ ./boot/ \(image) ./usr/ ./usr/share/doc/\(RepackScene.name)/copyright \(image)")
    let failure = thrown(Failure.self) { try scene.repackOne(package) }
    #expect(failure?.message.description.contains("vmlinuz-\(RepackScene.kernel) is in the archive twice") == true)
  }

  @Test("A directory that occurs several times keeps its entries, and --verify accepts them")
  func repeatedDirectories() throws {
    let scene = try RepackScene()
    let package = try scene.build(
      "cp $IMAGE boot/vmlinuz-$K; echo x >boot/a",
      archive: """
        ./ ./boot/ ./boot/a ./boot/ ./boot/vmlinuz-\(RepackScene.kernel) ./ ./usr/ ./usr/share/ ./usr/share/doc/ \
        ./usr/share/doc/\(RepackScene.name)/ ./usr/share/doc/\(RepackScene.name)/copyright ./boot/
        """)
    let report = try scene.repackOne(package)
    try scene.check(report, image: "boot/vmlinuz-\(RepackScene.kernel)")
    #expect(try scene.problems(package, report) == [])
    let tar = "<(ar p '\(report.output.path)' data.tar.xz | xz -dc)"
    #expect(try scene.shell("tar -tf \(tar) | grep -c '^./boot/$'") == "3\n")
    let renamed = try scene.repackOne(package) { $0.naming = .asSigned }
    #expect(try scene.problems(package, renamed) == [])
    // The same package with one entry less, or in another order, is a problem.
    let fewer = try scene.build(
      "cp $IMAGE boot/vmlinuz-$K; echo x >boot/a",
      archive: """
        ./ ./boot/ ./boot/vmlinuz-\(RepackScene.kernel) ./boot/a ./boot/ ./ ./usr/ ./usr/share/ ./usr/share/doc/ \
        ./usr/share/doc/\(RepackScene.name)/ ./usr/share/doc/\(RepackScene.name)/copyright
        """)
    let found = try VerifyRepack(original: fewer, repacked: report.output.path).run(on: scene.directory.host())
    #expect(found.problems.contains("order data.tar") && found.problems.contains("file-added boot"))
  }

  @Test("The result does not depend on the name of the input file")
  func nameOfTheFile() throws {
    let scene = try RepackScene()
    let package = try scene.build("cp $IMAGE boot/vmlinuz-$K")
    let one = try scene.repackOne(package)
    try scene.shell("mkdir elsewhere; cp \(RepackScene.name).deb elsewhere/x.y; rm -r out")
    let other = try scene.repackOne(scene.directory.path(of: "elsewhere/x.y"))
    #expect(one.output.sha256 == other.output.sha256)
    let line = try scene.shell(
      "dpkg-deb --fsys-tarfile out/*.deb | tar -xO --wildcards '*provenance' | grep Input-File")
    #expect(line == "Input-File: \(RepackScene.name)_\(RepackScene.version)_amd64.deb\n")
  }
}
