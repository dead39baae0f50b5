// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Cryptography
import TestSupport
import UnifiedKernelImage

/// The parts of a UKI for tests.
enum Parts {
  static func input(_ fixture: Fixture) throws -> NamedInput {
    NamedInput(name: fixture.rawValue, bytes: try fixture.bytes())
  }

  /// Arbitrary bytes as an initrd; the odd length makes padding visible.
  static let initrd: [UInt8] = (0..<70_001).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  static let commandLine = "root=/dev/mapper/pve-root ro quiet"
  static let osRelease = Array("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian\"\n".utf8)

  static func recipe(_ stub: Fixture = .stub257, _ kernel: Fixture = .kernel612) throws -> ImageRecipe {
    var recipe = ImageRecipe(
      stub: try input(stub), linux: try input(kernel), initrds: [NamedInput(name: "initrd", bytes: initrd)])
    recipe.commandLine = Array(commandLine.utf8)
    recipe.osRelease = NamedInput(name: "os-release", bytes: osRelease)
    return recipe
  }

  static func build(_ recipe: ImageRecipe, by key: SigningKey? = nil) throws -> [UInt8] {
    let plan = try ImagePlan(recipe)
    let sink = MemorySink()
    let result = try ImageBuilder.write(plan, to: sink, signingBy: key?.identity)
    try ImageSelfCheck.check(sink.bytes, against: plan, result: result)
    return sink.bytes
  }
}
