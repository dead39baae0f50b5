// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import HostSystem
internal import Messages
package import UnifiedKernelImage

/// Writes UKIs to files, for `build` and `apply`.
package enum ImageWriter {
  package struct Written {
    package let image: ImageBuilder.Result
    /// Size of the file in bytes.
    package let size: Int
    /// Whether all of it was read back from the medium.
    package let isProven: Bool
  }

  /// Throws `Failure` if `path` is one of `inputs`, even under another name: a typing error could otherwise destroy a
  /// key or a kernel.
  package static func require(_ path: String, toBeNoneOf inputs: [String], in files: FileSystem) throws {
    guard let target = try files.status(of: path) else { return }
    for input in inputs {
      guard let status = try files.status(of: input), status.isSameFile(as: target) else { continue }
      throw Failure("\(path) is also an input", hint: "specify another file with --output")
    }
  }

  /// Writes the UKI to a temporary file, compares what is read back with the inputs, verifies the signature, and only
  /// then renames it to `path`.
  ///
  /// With `provingMedium`, it is read back from the medium if possible. If anything fails, including `furtherCheck`, the
  /// file at `path` is unchanged. Throws `Failure`, `HostError` or `ImageError`.
  package static func write(
    _ plan: ImagePlan, to path: String, in files: FileSystem, mode: UInt32 = 0o644, provingMedium: Bool = false,
    signingBy identity: SigningIdentity?, signingTime: Int64?, progress: WriteProgress? = nil,
    furtherCheck: @escaping (ImageBuilder.Result) throws -> Void = { _ in }
  ) throws -> Written {
    var image: ImageBuilder.Result?
    var size = 0
    var isProven = false
    try files.replaceFile(
      path, mode: mode, provingMedium: provingMedium, progress: progress,
      verify: { file in
        guard let image else { throw Failure("\(path) was read back before it was written") }
        size = file.count
        try ImageSelfCheck.check(file, against: plan, result: image)
        isProven = file.isFromMedium
        try furtherCheck(image)
      },
      writing: { sink in
        image = try ImageBuilder.write(plan, to: sink, signingBy: identity, signingTime: signingTime)
      })
    guard let image else { throw Failure("\(path) was not written") }
    return Written(image: image, size: size, isProven: isProven)
  }
}
