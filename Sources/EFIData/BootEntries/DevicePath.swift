// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat
package import Messages

/// An EFI_DEVICE_PATH_PROTOCOL (UEFI 2.10 section 10.2): a list of nodes, the last of which ends it.
package struct DevicePath: Hashable, Sendable {
  /// A file on a partition.
  package struct File: Hashable, Sendable {
    package var partition: PartitionLocation
    /// From the partition's root, with slashes: `/EFI/Linux/a.efi`.
    package var path: String

    package init(partition: PartitionLocation, path: String) {
      self.partition = partition
      self.path = path
    }
  }

  /// All nodes but the last, which ends the path.
  ///
  /// Those that end one of several instances are among them.
  package let nodes: [DevicePathNode]
  private let end: DevicePathNode

  package init(nodes: [DevicePathNode]) {
    self.nodes = nodes
    end = .endEntire
  }

  /// The short form that firmware completes by itself: partition, file.
  ///
  /// Throws `range` if the path is too long for a node.
  package init(_ file: File) throws(ParseError) {
    let text = String(file.path.map { $0 == "/" ? "\\" : $0 })
    self.init(nodes: [
      DevicePathNode(file.partition), try DevicePathNode(filePath: text.hasPrefix("\\") ? text : "\\" + text),
    ])
  }

  /// Reads nodes up to the one that ends the path.
  ///
  /// Throws `truncated` if there is none.
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

  /// Size in bytes, the last node counted.
  var size: Int { nodes.reduce(DevicePathNode.headerSize) { $0 + DevicePathNode.headerSize + $1.data.count } }

  /// The file it leads to: a partition of a GPT and then file path nodes only, whatever hardware stands before them,
  /// since some firmware completes the short form in place.
  ///
  /// Nil for every other path and for one with several instances.
  package var file: File? {
    guard !nodes.contains(where: \.endsInstance), let index = nodes.firstIndex(where: { $0.partition != nil }),
      let partition = nodes[index].partition
    else { return nil }
    let texts = nodes[(index + 1)...].map(\.filePathText)
    guard !texts.isEmpty, texts.allSatisfy({ $0 != nil }) else { return nil }
    // Section 10.3.5.4: texts of several nodes are one path, with a separator where there is none.
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
