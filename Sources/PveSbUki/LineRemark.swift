// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Messages

/// What is to be said about one of the command lines that images are made with.
struct LineRemark: MessageConvertible {
  let line: CommandLine
  let finding: CommandLineFinding

  var message: Message { "the command line in \(finding.path ?? line.path): \(finding.detail)" }
}
