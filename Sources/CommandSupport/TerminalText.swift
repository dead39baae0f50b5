// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension String {
  /// The text without what a terminal would act upon: every control character but the line feed becomes `?`. Names in
  /// images and certificates are chosen by whoever made them.
  package var terminalText: String {
    String(
      UnicodeScalarView(
        unicodeScalars.map { scalar in
          let isControl = scalar.value < 0x20 && scalar != "\n" || 0x7f...0x9f ~= scalar.value
          return isControl ? "?" : scalar
        }))
  }
}
