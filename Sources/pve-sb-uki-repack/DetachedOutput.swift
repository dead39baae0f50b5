// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import HostSystem
import KernelRepack
import UseCaseSupport

/// Prints which detached signatures were made.
enum DetachedOutput {
  static func run(template: String, packages: [String], key: KeySource, options: OutputOptions, on host: Host) throws {
    throw Failure("--detached-signatures is not there yet")
  }
}
