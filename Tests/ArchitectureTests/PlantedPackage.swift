// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import TestSupport

/// A small package that follows every rule, in memory until it is checked, so that a test can break one.
struct PlantedPackage {
  /// The content of files by path.
  var files = [
    "Package.swift": """
    // swift-tools-version:6.0
    let package = Package(
      name: "small",  // .target(name: "Comment")
      dependencies: [.package(url: "https://example.org/parser", exact: "1.0.0")],
      targets: [
        .systemLibrary(name: "CCrypto", pkgConfig: "crypto", providers: [.apt(["crypto-dev"])]),
        .target(name: "Bytes"),
        .target(
          name: "Crypto", dependencies: ["Bytes", "CCrypto"],
          swiftSettings: [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        .target(name: "Host", dependencies: ["Bytes"]),
        .executableTarget(
          name: "small-tool",
          dependencies: [
            "Crypto", "Host", .product(name: "Parser", package: "parser"),
          ]),
        .executableTarget(name: "small-hook", dependencies: ["Host"], path: "hooks"),
        .testTarget(name: "BytesTests", dependencies: ["Bytes", "small-hook"]),
      ]
    )
    """,
    "docs/architecture.md": """
    | | promise | tests |
    |---|---|---|
    | I1 | small | `ReaderTests` |

    | layer | what |
    |---|---|
    | c | headers |
    | bytes | memory |
    | system | the rest |
    | programs | what is run |

    | target | layer | what it is for | may touch |
    |---|---|---|---|
    | [CCrypto](../Sources/CCrypto) | c | the library | |
    | [Bytes](../Sources/Bytes) | bytes | bytes | |
    | [Crypto](../Sources/Crypto) | system | keys | `CCrypto`, `Glibc` (tm, gmtime_r, timegm) |
    | [Host](../Sources/Host) | system | files | `Glibc` |
    | [small-tool](../Sources/small-tool) | programs | for people | `Parser` |
    | [small-hook](../hooks) | programs | for packages | `Glibc` (exit); never `Parser`, `Foundation`, `CCrypto` |
    """,
    "README.md": """
    [How it is built](docs/architecture.md).

    | target | what |
    |---|---|
    | [Bytes](Sources/Bytes), `Crypto` | below |
    | [small-tool](Sources/small-tool) | above |
    """,
    "Sources/CCrypto/shim.h": "#include <crypto.h>",
    "Sources/Bytes/Reader.swift": "/// Keeps promise I1.\npackage struct Reader {}",
    "Sources/Crypto/Key.swift": """
    internal import Bytes
    internal import CCrypto
    package import struct Glibc.tm

    // import Nothing; public as a word in a comment is not a declaration.
    let text = \"""
      import Nothing
      public struct Nothing {}
      \"""
    func date() { timegm(gmtime_r()) }
    """,
    "Sources/Host/Folder/File.swift": "package import Bytes\nimport Glibc\n",
    "Sources/small-tool/Tool.swift": "import Crypto\nimport Host\nimport Parser\n",
    "hooks/main.swift": "import Glibc\nimport Host\n\nexit(0)\n",
    "Tests/BytesTests/ReaderTests.swift": "import Bytes\nimport Testing\nimport small_hook\n",
  ]

  /// Replaces `old`, which must be in the file exactly once.
  mutating func replace(_ old: String, by new: String, in path: String) {
    var (text, count) = ("", 0)
    var rest = (files[path] ?? "")[...]
    while let first = rest.first {
      if rest.hasPrefix(old) {
        text += new
        rest = rest.dropFirst(old.count)
        count += 1
      } else {
        text.append(first)
        rest = rest.dropFirst()
      }
    }
    precondition(count == 1, "\(path) contains '\(old)' \(count) times")
    files[path] = text
  }

  func violations() throws -> [String] {
    let directory = try TemporaryDirectory()
    for (path, text) in files { try Self.write(text, to: directory.path(of: path)) }
    return try Architecture(ofPackageIn: directory.path).violations
  }

  private struct NotWritten: Error { let path: String }

  /// Does not flush to disk, unlike `TemporaryDirectory.write`, because there are hundreds of temporary files.
  private static func write(_ text: String, to path: String) throws {
    for index in path.indices.dropFirst() where path[index] == "/" { mkdir(String(path[..<index]), 0o755) }
    guard let file = fopen(path, "w") else { throw NotWritten(path: path) }
    defer { fclose(file) }
    guard fputs(text, file) >= 0 else { throw NotWritten(path: path) }
  }
}
