// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What becomes of the signatures that a kernel image carries already.
package enum ImagePolicy: String, CaseIterable, Sendable {
  /// They stay, in front of ours.
  case add
  /// They are dropped.
  case replace
  /// An image that has any stays as it is.
  case keep
}

/// Which kernel modules are signed.
package enum ModulePolicy: Sendable {
  case none
  /// Those that carry no signature.
  case unsigned
  /// All; signatures that are there are dropped.
  case all
}

/// How a data member is compressed.
package enum OutputCompression: String, CaseIterable, Sendable {
  /// As the input is.
  case keep
  case xz, zstd, gzip, none
}

/// The name of a repacked package.
package enum PackageNaming: Hashable, Sendable {
  case keep
  /// As Proxmox calls its own signed kernels.
  case asSigned
  case suffix(String)
}
