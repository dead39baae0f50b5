// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Testing

/// Checks this package against `docs/architecture.md`, and that a violation of each rule is detected.
@Suite struct ArchitectureTests {
  @Test func thisPackageHasNoViolations() throws {
    let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    for violation in try Architecture(ofPackageIn: root).violations { Issue.record("\(violation)") }
  }

  @Test func theSamplePackageHasNoViolations() throws {
    #expect(try PlantedPackage().violations() == [])
  }

  /// The violations of the planted package after `change`.
  private func violations(_ change: (inout PlantedPackage) -> Void) throws -> [String] {
    var package = PlantedPackage()
    change(&package)
    return try package.violations()
  }

  // MARK: - Imports

  @Test func anUnusedDependencyIsReported() throws {
    let found = try violations {
      $0.replace(#"["Host"], path"#, by: #"["Bytes", "Host"], path"#, in: "Package.swift")
    }
    #expect(found == ["Package.swift: small-hook declares Bytes, which none of its files imports"])
  }

  @Test func anUnusedProductIsReported() throws {
    let found = try violations {
      $0.replace("import Parser\n", by: "", in: "Sources/small-tool/Tool.swift")
      $0.replace("`Parser` |", by: "|", in: "docs/architecture.md")
    }
    #expect(found == ["Package.swift: small-tool declares Parser, which none of its files imports"])
  }

  @Test func anUndeclaredImportIsReported() throws {
    let found = try violations { $0.files["Sources/small-tool/More.swift"] = "internal import Bytes\n" }
    #expect(
      found == ["Sources/small-tool/More.swift: imports Bytes, which Package.swift does not declare for small-tool"])
  }

  @Test func anUndeclaredImportInATestIsReported() throws {
    let found = try violations { $0.files["Tests/BytesTests/More.swift"] = "import Crypto\n" }
    #expect(
      found == ["Tests/BytesTests/More.swift: imports Crypto, which Package.swift does not declare for BytesTests"])
  }

  @Test func importingAHigherLayerIsReported() throws {
    let found = try violations {
      $0.replace(#"name: "Bytes""#, by: #"name: "Bytes", dependencies: ["Host"]"#, in: "Package.swift")
      $0.files["Sources/Bytes/Up.swift"] = "internal import Host\n"
    }
    #expect(found == ["Sources/Bytes/Up.swift: imports Host upwards, which comes after Bytes in the table"])
  }

  @Test func importingALaterTargetOfTheSameLayerIsReported() throws {
    let found = try violations {
      $0.replace(#"["Bytes", "CCrypto"]"#, by: #"["Bytes", "CCrypto", "Host"]"#, in: "Package.swift")
      $0.files["Sources/Crypto/Up.swift"] = "@preconcurrency package import Host\n"
    }
    #expect(found == ["Sources/Crypto/Up.swift: imports Host upwards, which comes after Crypto in the table"])
  }

  @Test func aTestableImportIsReported() throws {
    let found = try violations {
      $0.replace("import Bytes", by: "@testable import Bytes", in: "Tests/BytesTests/ReaderTests.swift")
    }
    #expect(found == ["Tests/BytesTests/ReaderTests.swift: imports Bytes as @testable"])
  }

  // MARK: - Who may touch what

  @Test func aCModuleWithTwoImportersIsReported() throws {
    let found = try violations {
      $0.replace(
        #"name: "Host", dependencies: ["Bytes"]"#, by: #"name: "Host", dependencies: ["Bytes", "CCrypto"]"#,
        in: "Package.swift")
      $0.replace("| files | `Glibc` |", by: "| files | `CCrypto`, `Glibc` |", in: "docs/architecture.md")
      $0.replace("`Foundation`, `CCrypto`", by: "`Foundation`", in: "docs/architecture.md")
      $0.files["Sources/Host/Digest.swift"] = "internal import CCrypto\n"
    }
    #expect(found == ["Package.swift: CCrypto is imported by Crypto and Host; a C module must have one importer"])
  }

  @Test func aCModuleImportedByATestIsReported() throws {
    let found = try violations {
      $0.replace(#"["Bytes", "small-hook"]"#, by: #"["Bytes", "CCrypto", "small-hook"]"#, in: "Package.swift")
      $0.files["Tests/BytesTests/More.swift"] = "import CCrypto\n"
    }
    #expect(found == ["Package.swift: CCrypto is imported by Crypto and BytesTests; a C module must have one importer"])
  }

  @Test func importingASystemModuleWithoutPermissionIsReported() throws {
    let found = try violations { $0.files["Sources/Bytes/Clock.swift"] = "internal import Glibc\n" }
    #expect(found == ["Sources/Bytes/Clock.swift: imports Glibc, not allowed by the table for Bytes"])
  }

  @Test func importingMoreOfASystemModuleThanAllowedIsReported() throws {
    let found = try violations { $0.files["Sources/Crypto/Clock.swift"] = "internal import func Glibc.time\n" }
    #expect(found == ["Sources/Crypto/Clock.swift: imports Glibc.time, not allowed by the table for Crypto"])
  }

  @Test func anUnneededExceptionIsReported() throws {
    let found = try violations {
      $0.replace("| bytes | bytes | |", by: "| bytes | bytes | `Synchronization` |", in: "docs/architecture.md")
      $0.replace("gmtime_r, timegm", by: "gmtime_r, fnmatch, time", in: "docs/architecture.md")
    }
    #expect(
      found == [
        "docs/architecture.md: Bytes may touch Synchronization but does not import it",
        "docs/architecture.md: Crypto may touch Glibc for fnmatch but does not use it",
        "docs/architecture.md: Crypto may touch Glibc for time but does not use it",
      ])
  }

  @Test func modulesThatMustNotReachTheHookAreReported() throws {
    let found = try violations {
      $0.replace("| files | `Glibc` |", by: "| files | `Foundation`, `Glibc` |", in: "docs/architecture.md")
      $0.files["Sources/Host/Date.swift"] = "internal import Foundation\n"
      $0.replace(#"["Host"], path"#, by: #"["Crypto", "Host"], path"#, in: "Package.swift")
      $0.files["hooks/Key.swift"] = "internal import Crypto\n"
    }
    #expect(
      found == [
        "docs/architecture.md: small-hook must never reach Foundation but does: small-hook → Host → Foundation",
        "docs/architecture.md: small-hook must never reach CCrypto but does: small-hook → Crypto → CCrypto",
      ])
  }

  @Test(arguments: [
    "public struct Open {}", "  public private(set) var open = 1", "@frozen public enum Open {}", "open class Open {}",
    "  @available(*, deprecated, message: \"no\") static public func open() {}", "public class Open {}",
  ])
  func aPublicDeclarationIsReported(line: String) throws {
    let found = try violations { $0.files["Sources/Bytes/Open.swift"] = "struct Closed {\n}\n\(line)\n" }
    #expect(found == ["Sources/Bytes/Open.swift:3: is public or open; use package across targets"])
  }

  @Test(arguments: ["open = 1", "/// public struct", "let published = public", "open(path)", "package class Open {}"])
  func textThatOnlyLooksPublicIsAccepted(line: String) throws {
    #expect(try violations { $0.files["Sources/Bytes/Open.swift"] = "\(line)\n" } == [])
  }

  // MARK: - The tables

  @Test func aTargetMissingFromTheTableIsReported() throws {
    let found = try violations {
      $0.replace(
        #".target(name: "Bytes"),"#, by: #".target(name: "Bytes"), .target(name: "New"),"#, in: "Package.swift")
      $0.files["Sources/New/New.swift"] = ""
    }
    #expect(found == ["docs/architecture.md: New of Package.swift is missing in the table"])
  }

  @Test func aRowWithoutATargetIsReported() throws {
    let found = try violations {
      $0.replace(
        "| files | `Glibc` |", by: "| files | `Glibc` |\n| Old | system | | |",
        in: "docs/architecture.md")
    }
    #expect(found == ["docs/architecture.md: Old is not a target of Package.swift"])
  }

  @Test func aRowWithAWrongLinkIsReported() throws {
    let found = try violations { $0.replace("(../hooks)", by: "(../Sources/Host)", in: "docs/architecture.md") }
    #expect(found == ["docs/architecture.md: the link of small-hook points to Sources/Host, not to hooks"])
  }

  @Test func rowsOutOfLayerOrderAreReported() throws {
    let found = try violations { $0.replace("| system | files", by: "| bytes | files", in: "docs/architecture.md") }
    #expect(found == ["docs/architecture.md: Host (bytes) comes after Crypto (system), a higher layer"])
  }

  @Test func unknownAndUnusedLayersAreReported() throws {
    let found = try violations {
      $0.replace("| c | the library", by: "| C | the library", in: "docs/architecture.md")
    }
    #expect(
      found == [
        "docs/architecture.md: the layer of CCrypto, C, is not in the table of layers",
        "docs/architecture.md: no target is in the layer c",
      ])
  }

  @Test func missingTablesAreReported() throws {
    let found = try violations { $0.files["docs/architecture.md"] = "Nothing.\n" }
    #expect(
      found.prefix(2) == [
        "docs/architecture.md: the table of layers is missing", "docs/architecture.md: the table of targets is missing",
      ])
  }

  @Test func brokenLinksAndUnknownTestsAreReported() throws {
    let found = try violations {
      $0.files["docs/architecture.md", default: ""] += """

        [One](../Sources/Bytes/Reader.swift), [`Two`](../Sources/Bytes/Writer.swift)

        | | promise | tests |
        |---|---|---|
        | I2 | all | `ReaderTests`, `BytesTests`, `WriterTests` |
        """
    }
    #expect(
      found == [
        "docs/architecture.md: links to ../Sources/Bytes/Writer.swift, which does not exist",
        "docs/architecture.md: cites the test WriterTests, which does not exist",
      ])
  }

  @Test func citingAnUnknownPromiseIsReported() throws {
    let found = try violations {
      $0.files["Tests/BytesTests/More.swift"] = "/// Promises I1 and I9, which are two; I7 is not cited.\n"
    }
    #expect(found == ["Tests/BytesTests/More.swift: cites promise I9, which docs/architecture.md does not have"])
  }

  @Test func aFileThatNoTargetCompilesIsReported() throws {
    let found = try violations { $0.files["Sources/Old/Old.swift"] = "import Nothing\n" }
    #expect(found == ["Sources/Old/Old.swift: no target of Package.swift compiles it"])
  }

  // MARK: - README.md

  @Test func aReadmeInADifferentOrderIsReported() throws {
    let found = try violations {
      $0.replace(
        "| [small-tool](Sources/small-tool) | above |", by: "| [CCrypto](Sources/CCrypto) | C |", in: "README.md")
    }
    #expect(found == ["README.md: lists CCrypto after Crypto, unlike docs/architecture.md"])
  }

  @Test func aReadmeWithoutALinkToThePageIsReported() throws {
    let found = try violations { $0.replace("(docs/architecture.md)", by: "(docs/other.md)", in: "README.md") }
    #expect(found == ["README.md: has no link to docs/architecture.md"])
  }
}
