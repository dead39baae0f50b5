// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
internal import PortableExecutable

extension BootPrograms {
  package static let amd64 = BootPrograms(.amd64)
}

extension LoaderPath {
  package static let amd64 = LoaderPath(.amd64)
}
