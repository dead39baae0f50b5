// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

// Takes the place of Utilities/Foundation.swift in the copy of swift-argument-parser that packages are built with.
// The original needs Foundation for these two functions, which adds 5 MB to a program.

extension Error {
  func describe() -> String { String(describing: self) }
}

/// Encodes the description of a command that `--experimental-dump-help` prints.
enum JSONEncoder {
  static func encode<T: Encodable>(_ value: T) -> String { json(of: value, indent: "") + "\n" }

  private static func json(of value: Any, indent: String) -> String {
    switch value {
    case let text as String: return quoted(text)
    case let flag as Bool: return "\(flag)"
    case let number as Int: return "\(number)"
    default: break
    }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional: return mirror.children.first.map { json(of: $0.value, indent: indent) } ?? "null"
    case .collection, .set:
      return list(mirror.children.map { json(of: $0.value, indent: indent + "  ") }, "[", "]", indent)
    case .enum:
      // A case with values has one child.
      guard let (label, values) = mirror.children.first else { return quoted("\(value)") }
      return list(["\(quoted(label ?? "")): " + json(of: values, indent: indent + "  ")], "{", "}", indent)
    case .dictionary:
      let pairs = mirror.children.map { child in Mirror(reflecting: child.value).children.map(\.value) }
      return list(
        pairs.map { "\(quoted("\($0[0])")): " + json(of: $0[1], indent: indent + "  ") }.sorted(), "{", "}", indent)
    default:
      let present = mirror.children.filter { child in
        let content = Mirror(reflecting: child.value)
        return content.displayStyle != .optional || !content.children.isEmpty
      }
      return list(
        present.map { "\(quoted($0.label ?? "")): " + json(of: $0.value, indent: indent + "  ") }.sorted(), "{", "}",
        indent)
    }
  }

  private static func list(_ items: [String], _ open: String, _ close: String, _ indent: String) -> String {
    items.isEmpty
      ? open + close : open + "\n" + items.map { indent + "  " + $0 }.joined(separator: ",\n") + "\n" + indent + close
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      default:
        if scalar.value < 0x20 {
          let digits = String(scalar.value, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
