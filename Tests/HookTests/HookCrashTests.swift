// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import TestSupport
import Testing

/// Promise I7: a fault in the program itself does not break apt either.
@Suite struct HookCrashTests {
  /// The signal is pending when the hook starts.
  @Test(arguments: ["ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV"])
  func aFaultIsOneLineAndSuccess(signal: String) throws {
    let script = """
      my ($name, $program) = @ARGV;
      sigprocmask(SIG_BLOCK, POSIX::SigSet->new(POSIX->can("SIG$name")->()));
      kill $name, $$;
      exec { $program } "pve-sb-uki-hook", "no-such-hook";
      """
    let hook = try ExternalTool.built("pve-sb-uki-hook").name
    let result = try ExternalTool("env").result(["LC_ALL=C", "perl", "-MPOSIX", "-e", script, signal, hook])
    #expect(result.status == 0 && result.output.isEmpty)
    #expect(result.errors.hasPrefix("pve-sb-uki: error: the hook crashed;"))
    #expect(result.errors.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
  }

  /// In a debug build, Swift prints its own report before the line.
  @Test(arguments: [("trap", 0), ("strict-trap", 1), ("recursion", 0)] as [(String, Int32)])
  func overflowsAreCaught(fault: String, code: Int32) throws {
    let root = try TemporaryDirectory()
    let result = try ExternalTool.built("fault-runner").result([root.path, "keys", fault, "2"])
    #expect(result.status == code && result.errors.hasSuffix("crashed\n"))
  }
}
