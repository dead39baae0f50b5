// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux

/// The arguments of this process, also where /proc is not mounted and `CommandLine.arguments` is empty.
package enum ProcessArguments {
  /// All of them; the first is what the program was called as.
  package static var all: [String] {
    var arguments: [String] = []
    while let argument = psu_argument(Int32(arguments.count)) { arguments.append(String(cString: argument)) }
    return arguments
  }
}
