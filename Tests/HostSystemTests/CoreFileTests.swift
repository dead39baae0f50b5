// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import TestSupport
import Testing

@Suite struct CoreFileTests {
  @Test func theLimitIsZeroAndInherited() throws {
    CoreFile.forbid()
    #expect(try ExternalTool("sh").run(["-c", "ulimit -Hc"]) == Array("0\n".utf8))
  }
}
