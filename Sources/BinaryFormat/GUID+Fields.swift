// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension GUID {
  /// The GUID of these fields, as specifications write constants: `last` are the digits of the last two groups.
  package init(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ last: UInt64) {
    var writer = ByteWriter()
    writer.write(first)
    writer.write(second)
    writer.write(third)
    writer.write(last, .big)
    bytes = writer.bytes
  }
}
