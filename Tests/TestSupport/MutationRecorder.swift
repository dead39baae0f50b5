// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
package import HostSystem
internal import Messages

/// Counts the requested file system changes and can make one of them fail, or that one and all later ones.
package final class MutationRecorder: @unchecked Sendable {
  package enum Fault: Sendable {
    case none
    /// The n-th change fails, counted from 1; later changes work, so that the program can clean up.
    case only(Int)
    /// The n-th change and all later ones fail, as in a power cut.
    case from(Int)
  }

  package private(set) var mutations: [Mutation] = []
  private let fault: Fault
  private let number: Int32

  /// `errno` is the error of the changes that fail.
  package init(_ fault: Fault = .none, errno number: Int32 = EIO) {
    self.fault = fault
    self.number = number
  }

  package var gate: Mutation.Gate {
    { [self] mutation in
      mutations.append(mutation)
      let fails =
        switch fault {
        case .none: false
        case .only(let number): mutations.count == number
        case .from(let number): mutations.count >= number
        }
      if fails { throw HostError("change", mutation.path, errno: number) }
    }
  }
}
