// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import HostSystem

// One executable behind the links in /etc/kernel/postinst.d, /etc/kernel/postrm.d and /etc/initramfs/post-update.d. It
// does not use standard input and standard output, which belong to the package manager.
ProcessSetup.perform()
Catalogue.open(HookProgram.name)
CrashReport.enable(printing: HookProgram.crashLine)

do {
  let host = try Host()
  let program = HookProgram(host: host, say: { try? StandardStream.error.write($0.terminalText) })
  ProcessSetup.end(program.run(ProcessArguments.all))
} catch {
  ErrorReport.write(error, program: HookProgram.name)
  ProcessSetup.end(0)
}
