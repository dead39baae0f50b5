// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat

/// A file of the host that says what to boot is wrong: which file, which line, and what to write instead.
package struct BootEnvironmentError: HintedError, Hashable {
  package var path: String
  /// Counted from 1; nil where the file as a whole is meant.
  package var line: Int?
  /// What is wrong, as the rest of a sentence.
  package var detail: String
  package var hint: String?

  package init(_ path: String, line: Int? = nil, _ detail: String, hint: String? = nil) {
    self.path = path
    self.line = line
    self.detail = detail
    self.hint = hint
  }
}

extension BootEnvironmentError: CustomStringConvertible {
  package var description: String { path + (line.map { ", line \($0)" } ?? "") + ": " + detail }
}
