// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import EFIData
internal import Messages

/// What a device path leads to (UEFI 2.10 sections 3.1.2, 3.5 and 10.3).
enum DeviceTarget: Hashable {
  /// A file on a partition.
  case file(PartitionLocation, path: String)
  /// The removable path of a partition.
  case removable(PartitionLocation)
  /// A file on any partition.
  case anywhere(path: String)
  /// A whole disk or a class of devices.
  case device
  case network
  /// A program in the firmware's own flash memory.
  case firmware
  /// A path that the firmware cannot follow, and why.
  case invalid(Message)
  /// A path of an unknown kind.
  case unknown

  /// Far more nodes than a device path has.
  private static let nodeLimit = 256

  init(_ path: DevicePath?) {
    guard let path, !path.nodes.isEmpty else {
      self = .unknown
      return
    }
    let nodes = path.nodes.prefix(Self.nodeLimit)
    let index = nodes.firstIndex { $0.partition != nil }
    let rest = nodes[(index.map { $0 + 1 } ?? 0)...]
    if let index, let partition = nodes[index].partition {
      if rest.isEmpty || rest.allSatisfy(\.endsInstance) {
        self = .removable(partition)
      } else {
        switch Self.file(in: rest) {
        case .success(let path): self = .file(partition, path: path)
        case .failure(let defect): self = .invalid(defect.reason)
        }
      }
    } else if nodes.allSatisfy(\.isFilePath) {
      switch Self.file(in: rest) {
      case .success(let path): self = .anywhere(path: path)
      case .failure(let defect): self = .invalid(defect.reason)
      }
    } else {
      self = Self.kind(of: nodes)
    }
  }

  /// The file on the partition that the nodes name, or why they name none.
  private static func file(in nodes: ArraySlice<DevicePathNode>) -> Result<String, Defect> {
    let texts = nodes.filter(\.isFilePath).map(\.filePathText)
    guard texts.count == nodes.count else {
      return .failure(Defect(reason: "its device path has unknown parts after the partition"))
    }
    guard !texts.contains(nil) else { return .failure(Defect(reason: "its path is not valid UTF-16 text")) }
    // Section 10.3.5.4: the texts of several nodes form one path; a missing separator is added.
    let text = texts.map { $0 ?? "" }.joined(separator: "\\")
    return FirmwarePath.defect(of: text).map { .failure(Defect(reason: $0)) } ?? .success(FirmwarePath.path(in: text))
  }

  private struct Defect: Error {
    let reason: Message
  }

  private static func kind(of nodes: ArraySlice<DevicePathNode>) -> DeviceTarget {
    if nodes.contains(where: { $0.type == media && ($0.subtype == 6 || $0.subtype == 7) }) { return .firmware }
    // MAC address, IPv4, IPv6, vendor-neutral URI.
    if nodes.contains(where: { $0.type == messaging && [11, 12, 13, 24].contains($0.subtype) }) { return .network }
    // BIOS boot specification; hardware, ACPI and messaging nodes without a medium; a CD.
    let isDevice = nodes.allSatisfy { [1, 2, messaging, 5].contains($0.type) || $0.type == media && $0.subtype == 2 }
    return isDevice ? .device : .unknown
  }

  private static let messaging: UInt8 = 0x03
  private static let media: UInt8 = 0x04
}

extension DevicePathNode {
  /// Whether it is a file path node, valid or not.
  fileprivate var isFilePath: Bool { type == 0x04 && subtype == 0x04 }
}
