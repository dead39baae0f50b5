// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages
internal import StartupCheck
internal import UnifiedKernelImage

extension ImageUsage {
  /// Parts smaller than this are not worth a word; bytes.
  private static let least = 500_000

  /// The size and the large parts in one line.
  var text: Message {
    let parts = ImageSizes.Part.allCases.filter { sizes[$0] >= Self.least }.map { part in
      "\(part.word) \(Quantity.megabytes(sizes[part]))" as Message
    }
    let total = Quantity.megabytes(sizes.total)
    return parts.isEmpty ? "\(total) MB" : "\(total) MB (\(parts.joined(separator: ", ")))"
  }

  /// The parts that it has, and the whole at the end.
  var rows: [(bytes: Int, percent: Int, title: Message)] {
    let parts: [(bytes: Int, title: Message)] = ImageSizes.Part.allCases.filter { sizes[$0] > 0 }
      .map { (sizes[$0], title(of: $0)) }
    return (parts + [(sizes.total, "total")]).map { bytes, title in
      (bytes, Quantity.percent(bytes, of: sizes.total), title)
    }
  }

  private func title(of part: ImageSizes.Part) -> Message {
    switch part {
    case .initrd:
      return compression.map { "\(part.word), compressed with \($0)" } ?? part.word
    case .microcode where !microcode.isEmpty:
      let vendors = Vendor.allCases.compactMap { vendor in
        microcode[vendor].map { "\(vendor.word) \(Quantity.megabytes($0)) MB" as Message }
      }
      return "\(part.word) (\(vendors.joined(separator: ", ")))"
    default: return part.word
    }
  }

  var sizesJSON: JSONValue {
    let parts = ImageSizes.Part.allCases.map { ($0.rawValue, JSONValue.integer(sizes[$0])) }
    return .object(Dictionary(parts + [("total", .integer(sizes.total))]) { $1 })
  }
}

extension ImageUsage.Vendor {
  fileprivate var word: Message {
    switch self {
    case .amd: Message(verbatim: "AMD")
    case .intel: Message(verbatim: "Intel")
    }
  }
}

extension ImageSizes.Part {
  fileprivate var word: Message {
    switch self {
    case .kernel: "kernel"
    case .initrd: "initrd"
    case .microcode: "microcode"
    case .splash: "splash"
    case .other: "other"
    }
  }
}
