// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import Findings
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot

/// Proof that this machine starts what it must reject: with Secure Boot on, it was booted from an unsigned program.
///
/// Programs name themselves in variables that exist until the next reset. Without such a proof there is no finding.
enum BootedProgram {
  /// Names of the variables with the path of a started program and with the GUID of its partition.
  private static let variables: [(path: EFIVariableName, partition: EFIVariableName)] = [
    (.loaderImageIdentifier, .loaderDevicePartition), (.stubImageIdentifier, .stubDevicePartition),
  ]
  /// Seconds that a file must be older than the boot: a mounted FAT may show times of another time zone.
  private static let margin: Int64 = 86_400

  static func findings(
    _ context: MachineFindings.Context, _ firmware: FirmwareKeys, on host: Host
  ) throws -> [Finding] {
    let database = firmware.database
    guard database.isEnforced,
      let booted = try BootEvidence.bootTime(of: host.files)
    else { return [] }
    for (pathVariable, partitionVariable) in variables {
      guard let path = text(of: pathVariable, on: host).flatMap(hostPath),
        let guid = text(of: partitionVariable, on: host).flatMap({ GUID($0) }),
        let esp = context.esps.first(where: { $0.location.map { !$0.isMBR && $0.guid == guid } ?? false }),
        let file = try? esp.open(on: host, for: .reading).openFile(path),
        file.status.modified / 1_000_000_000 + margin <= booted,
        // The digest of a signed program needs the whole file, and proves nothing here.
        let header = try? PEHeader(parsing: file), header.certificateTableRange == nil,
        let evidence = try? ImageEvidence(of: file, for: database), !evidence.isSigned
      else { continue }
      let evaluation = TrustEvaluation(database)
      // Neither db nor shim's list has its digest, and shim's checks are not disabled.
      let routes: [TrustEvaluation.Route] = [.firmware, .loader]
      guard try routes.allSatisfy({ try evaluation.judge(evidence, via: $0).verdict == .rejected }) else { continue }
      return [
        Finding(
          .firmwareAcceptsAnything,
          "Secure Boot is on, but this machine was booted from \(path.dropFirst()) on \(esp.name), which is not signed",
          arguments: ["partition": .string(esp.name), "file": .string(path)],
          actions: [
            .advise(
              """
              reboot, and if the finding persists, restore the defaults of Secure Boot in the firmware's setup menu and \
              check for a firmware update
              """)
          ])
      ]
    }
    return []
  }

  private static func text(of variable: EFIVariableName, on host: Host) -> String? {
    let content = (try? host.variables.read(variable.fileName)).flatMap { $0 }
    return content.flatMap { try? EFIVariableContent(parsing: $0).data }.flatMap(EFIText.parse)
  }

  /// The path on the ESP, from a device path in text form; nil if it could lead elsewhere.
  private static func hostPath(_ text: String) -> String? {
    let names = text.split { $0 == "\\" || $0 == "/" }
    guard !names.isEmpty, !names.contains(".."), !names.contains("."), text.utf8.count < 1024 else { return nil }
    return "/" + names.joined(separator: "/")
  }
}
