// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What goes into a Unified Kernel Image.
package struct ImageRecipe: Sendable {
  package var stub: NamedInput
  package var linux: NamedInput
  /// Initial RAM disks in loading order; at least one.
  package var initrds: [NamedInput]
  /// Microcode as an uncompressed cpio archive; it is loaded before everything else.
  package var microcode: NamedInput?
  /// Without a final newline; nil leaves the choice to whatever starts the image.
  package var commandLine: [UInt8]?
  package var osRelease: NamedInput?
  /// `uname -r` of the kernel; nil takes what the kernel says.
  package var uname: String?
  package var splash: NamedInput?
  /// SBAT lines beside those of stub and kernel and the UKI's own.
  package var sbat: NamedInput?
  /// Further sections in order.
  package var extraSections: [(name: String, content: NamedInput)]

  package init(stub: NamedInput, linux: NamedInput, initrds: [NamedInput]) {
    self.stub = stub
    self.linux = linux
    self.initrds = initrds
    extraSections = []
  }
}
