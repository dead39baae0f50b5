// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import Messages

extension ImageRecord {
  /// Whether the file is the UKI of this record, unchanged; reads all of it.
  ///
  /// Throws if the file cannot be read, or is not an image.
  func describes(_ file: any RandomAccessBytes) throws -> Bool {
    guard file.count == size else { return false }
    return switch digestForm {
    case .image: try ImageIdentity(of: file).value == digest
    case .file: try Digest.of(file) == digest
    }
  }
}

extension Manifest {
  /// The UKI that the file is a copy of; nil if it is a copy of none.
  ///
  /// Reads only a file that has the size of a UKI. Throws if it cannot be read.
  func image(of file: any RandomAccessBytes) throws -> ImageRecord? {
    let candidates = images.filter { $0.size == file.count }
    for form in [ImageRecord.DigestForm.image, .file] where candidates.contains(where: { $0.digestForm == form }) {
      let digest = try Self.digest(of: file, form)
      if let found = candidates.first(where: { $0.digestForm == form && $0.digest == digest }) { return found }
    }
    return nil
  }

  /// Nil if the file is not an image.
  private static func digest(of file: any RandomAccessBytes, _ form: ImageRecord.DigestForm) throws -> [UInt8]? {
    do {
      return try form == .image ? ImageIdentity(of: file).value : Digest.of(file)
    } catch is ParseError {
      return nil
    }
  }
}
