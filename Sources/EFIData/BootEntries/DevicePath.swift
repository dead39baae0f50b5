// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An EFI_DEVICE_PATH_PROTOCOL (UEFI 2.10 section 10.2): a list of nodes that ends with an end node.
package struct DevicePath: Hashable, Sendable {
  /// A file on a partition.
  package struct File: Hashable, Sendable {
    package var partition: PartitionLocation
    /// The path from the partition's root, with slashes: `/EFI/Linux/a.efi`.
    package var path: String

    package init(partition: PartitionLocation, path: String) {
      self.partition = partition
      self.path = path
    }
  }

  /// All nodes except the end node.
  ///
  /// Nodes that end one of several instances are included.
  package let nodes: [DevicePathNode]
  private let end: DevicePathNode

  package init(nodes: [DevicePathNode]) {
    self.nodes = nodes
    end = .endEntire
  }

  /// The short form, partition and file, which the firmware completes by itself.
  ///
  /// Throws `range` if the path is too long for a node.
  package init(_ file: File) throws(ParseError) {
    let text = String(file.path.map { $0 == "/" ? "\\" : $0 })
    self.init(nodes: [
      DevicePathNode(file.partition), try DevicePathNode(filePath: text.hasPrefix("\\") ? text : "\\" + text),
    ])
  }

  /// Reads nodes up to the end node.
  ///
  /// Throws `truncated` if the end node is missing.
  package init(parsing reader: inout ByteReader) throws(ParseError) {
    var nodes: [DevicePathNode] = []
    while true {
      let node = try DevicePathNode(parsing: &reader)
      if node.endsPath {
        self.nodes = nodes
        end = node
        return
      }
      nodes.append(node)
    }
  }

  package func serialize(into writer: inout ByteWriter) {
    for node in nodes { node.serialize(into: &writer) }
    end.serialize(into: &writer)
  }

  /// Size in bytes, including the end node.
  var size: Int { nodes.reduce(DevicePathNode.headerSize) { $0 + DevicePathNode.headerSize + $1.data.count } }

  /// The file it refers to: a partition followed by file path nodes only, with any hardware nodes before, since
  /// some firmware completes the short form in place.
  ///
  /// Nil for any other path and for one with several instances.
  package var file: File? {
    guard !nodes.contains(where: \.endsInstance), let index = nodes.firstIndex(where: { $0.partition != nil }),
      let partition = nodes[index].partition
    else { return nil }
    let texts = nodes[(index + 1)...].map(\.filePathText)
    guard !texts.isEmpty, texts.allSatisfy({ $0 != nil }) else { return nil }
    // Section 10.3.5.4: the texts of several nodes form one path; a missing separator is added.
    let names = texts.flatMap { ($0 ?? "").split(separator: "\\") }
    guard !names.isEmpty, !names.contains(where: { $0.contains("/" as Character) }) else { return nil }
    return File(partition: partition, path: names.map { "/" + $0 }.joined())
  }
}

extension DevicePath: CustomStringConvertible {
  /// The nodes with a slash between them, instances with a comma.
  package var description: String {
    var text = ""
    for (index, node) in nodes.enumerated() {
      if node.endsInstance {
        text += ","
      } else {
        text += (index == 0 || nodes[index - 1].endsInstance ? "" : "/") + node.description
      }
    }
    return text
  }
}
