// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
import HostSystem
import KernelRepack
import UseCaseSupport

/// Prints how a repacked package differs from its original.
enum VerifyOutput {
  static func run(_ packages: [String], certificate: String?, options: OutputOptions, on host: Host) throws {
    throw Failure("--verify is not there yet")
  }
}
