// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A system call that is about to change a file system.
package struct Mutation: Hashable, Sendable {
  package enum Kind: Sendable {
    case create, write, synchronize, changeMode, changeFlags, rename, exchange, remove, makeDirectory, removeDirectory
    case mount
  }

  package var kind: Kind
  package var path: String

  package init(_ kind: Kind, _ path: String) {
    self.kind = kind
    self.path = path
  }

  /// Called before every mutation; if it throws, the mutation does not happen and its error is reported.
  package typealias Gate = @Sendable (Mutation) throws -> Void
}
