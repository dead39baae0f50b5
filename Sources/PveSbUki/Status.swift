// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Cryptography
package import Messages

/// `pve-sb-uki status`: whether this machine will boot what it should, and if not, what to type next. Changes nothing.
package struct Status: Sendable {
  /// Whether images are taken at the manifest's word and not read.
  package var isQuick = false

  package init() {}

  package struct Partition: Sendable {
    /// Volume serial number, or the path where it is mounted.
    package var name: String
    /// Bytes; nil if it could not be opened.
    package var free: Int?
    /// What is wrong with it; nil if nothing is.
    package var problem: Message?
  }

  package struct Kernel: Sendable {
    package enum State: String, Sendable {
      /// The image is what it should be.
      case current
      /// It was right, but something that goes into it has changed since.
      case stale
      /// There is none.
      case missing
      /// It is damaged, or somebody else has changed or made it.
      case changed
      /// None can be made.
      case unusable
      /// It is there and boots, but its kernel has lost its initrd.
      case kept

      /// For people, as the rest of a sentence.
      package var word: Message {
        switch self {
        case .current: "current"
        case .stale: "stale"
        case .missing: "missing"
        case .changed: "changed"
        case .unusable: "unusable"
        case .kept: "kept, without its initrd"
        }
      }
    }

    package var release: String
    package var isRunning: Bool
    /// Why it has an image, the weightiest first.
    package var reasons: [String]
    /// The same for people.
    package var reasonWords: [Message]
    /// By partition, in their order.
    package var states: [(partition: String, state: State)]

    /// The worst of all partitions.
    package var isCurrent: Bool { states.allSatisfy { $0.state == .current } }
  }

  package struct Report: Sendable {
    /// Why this program does nothing here; nil if it does.
    package var obstacle: Apply.Obstacle?
    /// `on`, `off`, `setup mode`; nil where the firmware says nothing.
    package var secureBoot: Message?
    /// Subject of the certificate in use; nil if there is none that can be read.
    package var certificate: String?
    /// The certificate itself, as `certificate`.
    package internal(set) var ownCertificate: Certificate?
    /// When that ends, such as `2036-11-21 05:24:17 UTC`.
    package var certificateEnd: String?
    /// Whether this machine would start what is signed with it; nil where that cannot be told.
    package var isTrusted: Bool?
    /// Why or why not, as a sentence.
    package var trustReason: Message?
    /// As `Plan.chain`.
    package var chain: String?
    package var partitions: [Partition] = []
    /// In order of precedence.
    package var kernels: [Kernel] = []
    /// Boot entries in the firmware's order; nil where there are none to be had.
    package var entries: BootList.Result?
    /// `Dkms=yes`.
    package internal(set) var signsModules = false
    /// When the last run that failed did so, and what it said.
    package var lastFailure: (time: String, messages: [String])?
    /// What is wrong, one sentence each.
    package var problems: [Failure] = []
    /// One sentence each; nothing has to be done about them.
    package var notes: [Message] = []
    /// What to do next; nil if nothing needs attention.
    package var nextStep: Message?

    /// Takes up what others found wrong.
    package mutating func add(_ failures: [Failure]) {
      problems += failures
      if nextStep == nil { nextStep = failures.lazy.compactMap(\.hint).first }
    }

    package var needsAttention: Bool { !problems.isEmpty || obstacle?.hint != nil }
  }
}
