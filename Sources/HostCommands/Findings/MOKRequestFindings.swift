// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Findings
internal import HostSystem
internal import Messages
internal import SecureBoot

/// Requests that MokManager handles at the next boot by shim, apart from the enrolment of the signing key, which is a state
/// of the machine.
enum MOKRequestFindings {
  static func findings(_ context: MachineFindings.Context, on host: Host) throws -> [Finding] {
    let requests = try MachineOwnerRequests(readingFrom: host)
    guard !requests.isEmpty else { return [] }
    var found: [Finding] = []
    if let certificate = context.certificate, try endsTrust(context, requests) {
      found.append(
        Finding(
          .mokRemovalRequested,
          """
          at the next boot, MokManager offers to remove or forbid \(certificate.displayName): shim would then reject \
          pve-sb-uki's UKIs
          """,
          actions: [.run(command(dropping: requests))]))
    }
    let others = try requests.additions.filter { addition in
      try context.certificate.map { try !$0.descends(from: addition) } ?? true
    }
    if !others.isEmpty { found.append(pending("adding \(Self.names(others))", "mokutil --revoke-import")) }
    if try !endsTrust(context, requests), !requests.removals.isEmpty {
      found.append(pending("removing \(Self.names(requests.removals))", "mokutil --revoke-delete"))
    }
    if requests.changesValidation { found.append(pending("switching shim's checks on or off", nil)) }
    return found
  }

  private static func endsTrust(_ context: MachineFindings.Context, _ requests: MachineOwnerRequests) throws -> Bool {
    try context.certificate.map(requests.endsTrust) ?? false
  }

  private static func names(_ certificates: [Certificate]) -> String {
    certificates.map(\.displayName).joined(separator: ", ")
  }

  private static func pending(_ request: Message, _ command: Message?) -> Finding {
    Finding(
      .mokRequestPending, "at the next boot, MokManager waits for a key: it offers \(request)",
      actions: command.map { [.advise("to drop the request, run: \($0)")] } ?? [])
  }

  /// The command of mokutil that drops the request.
  private static func command(dropping requests: MachineOwnerRequests) -> Message {
    if requests.clearsList { return "mokutil --revoke-import" }
    return requests.removals.isEmpty ? "mokutil --mokx --revoke-import" : "mokutil --revoke-delete"
  }
}
