// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostSystem
import KernelRepack
import Messages

/// Reports each package as soon as it is done: one line on standard output, or an error.
struct RepackProgress: Sendable {
  private let total: Int
  private let isQuiet: Bool
  private let isVerbose: Bool

  init(total: Int, options: OutputOptions) {
    self.total = total
    isQuiet = options.quiet || options.json
    isVerbose = options.verbose
  }

  func tell(_ outcome: Repack.Outcome) {
    switch outcome.result {
    case .failed(let failure): ErrorReport.write(failure, program: "pve-sb-uki-repack")
    case .configuration:
      guard !isQuiet else { return }
      let line: Message = "\(outcome.input): unchanged, it contributed the kernel's configuration"
      try? StandardStream.output.write(line.localLine.terminalText)
    case .repacked(let report):
      for note in report.notes where !isQuiet {
        let line: Message = "pve-sb-uki-repack: note: \(report.input.path): \(note)"
        try? StandardStream.error.write(line.localLine.terminalText)
      }
      guard !isQuiet else { return }
      try? StandardStream.output.write(lines(report).localLines.terminalText)
    }
  }

  private func lines(_ report: PackageReport) -> [Message] {
    let modules = report.changes.filter { if case .module = $0.kind { true } else { false } }.count
    let images = report.changes.count - modules
    let line: Message =
      switch (images, modules) {
      case (1, 0): "\(report.output.path): kernel signed by \(report.signer)"
      case (_, 0): "\(report.output.path): \(images) kernels signed by \(report.signer)"
      default: "\(report.output.path): signed by \(report.signer): kernels \(images), modules \(modules)"
      }
    guard isVerbose else { return [line] }
    return [line]
      + report.changes.map { change in
        switch change.kind {
        case .image(_, 1): "  \(change.path): the new signature is the only one"
        case .image(_, let after): "  \(change.path): \(after) signatures, the new one is last"
        case .module(let algorithm, let replaced):
          replaced ? "  \(change.path): signature replaced, \(algorithm)" : "  \(change.path): signed, \(algorithm)"
        }
      }
  }
}
