// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

extension Host {
  /// The same host with the firmware's variables in `directory`, a path of the user: a copy of efivarfs.
  ///
  /// Throws `Failure` if it is not a directory.
  package func usingVariables(in directory: String) throws -> Host {
    guard try userFiles.isDirectory(directory) else {
      throw Failure("\(directory) is not a directory", hint: "specify a copy of \(EFIVariableStore.directory)")
    }
    var host = self
    host.variables = EFIVariableStore(of: userFiles, directory: directory)
    return host
  }
}
