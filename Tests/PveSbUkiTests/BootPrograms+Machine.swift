// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import PortableExecutable

extension BootPrograms {
  static let amd64 = BootPrograms(.amd64)
}

extension LoaderPath {
  static let amd64 = LoaderPath(.amd64)
}
