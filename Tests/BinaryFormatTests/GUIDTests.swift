// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import Testing

@Suite struct GUIDTests {
  /// UEFI 2.10 section 3.3: the global variable GUID as in memory.
  @Test func globalVariableGUIDHasTheSpecifiedByteOrder() throws {
    let guid = try #require(GUID("8be4df61-93ca-11d2-aa0d-00e098032b8c"))
    #expect(guid.bytes.hexadecimal == "61dfe48bca93d211aa0d00e098032b8c")
    #expect(guid.description == "8be4df61-93ca-11d2-aa0d-00e098032b8c")
    #expect(GUID(bytes: guid.bytes) == guid)
  }

  @Test(arguments: ["", "8be4df61", "8be4df61-93ca-11d2-aa0d-00e098032b8", "8be4df6193ca-11d2-aa0d-00e0-98032b8c", "g"])
  func textThatIsNotAGUIDIsRejected(_ text: String) { #expect(GUID(text) == nil) }

  @Test func randomGUIDsHaveVersionAndVariantSet() throws {
    let guid = try #require(GUID(random: [UInt8](repeating: 0xff, count: 16)))
    #expect(guid.description == "ffffffff-ffff-4fff-bfff-ffffffffffff")
    #expect(GUID(random: [1, 2, 3]) == nil)
  }
}
