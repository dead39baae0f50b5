// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Findings
internal import HostSystem
internal import Messages
internal import SigningKeys

/// Where private keys are stored, and who can read them.
enum SecretStorage {
  /// Maximum size of a key file in bytes.
  private static let sizeLimit = 1 << 20
  /// Maximum depth of the stack of block devices; LVM on LUKS on RAID has 4.
  private static let depthLimit = 16
  /// Maximum number of devices to examine.
  private static let deviceLimit = 256

  static func findings(_ context: MachineFindings.Context, on host: Host) throws -> [Finding] {
    let exposed = context.exposures.map { Finding(.secretExposed, $0, command: $0.hint?.quotedCommand) }
    return try exposed + unencrypted(context, on: host)
  }

  // MARK: Encryption

  /// Keys without a passphrase on a block device that is known to be unencrypted.
  ///
  /// Unknown, and so not reported, are file systems without a block device of their own (ZFS, btrfs, NFS) and what is
  /// behind symbolic links.
  private static func unencrypted(_ context: MachineFindings.Context, on host: Host) throws -> [Finding] {
    var paths = Set([KeyStore.standardDirectory, context.configuration.keyDirectory]).sorted().flatMap { directory in
      KeyRole.allCases.map { PathName.join(directory, KeyStore.keyFile(of: $0)) }
    }
    if context.configuration.key.hasPrefix("/"), !paths.contains(context.configuration.key) {
      paths.append(context.configuration.key)
    }
    let mounts = try host.files.mountPoints()
    let found = try paths.filter { path in
      try isPlainKey(path, on: host) && isOnUnencryptedDevice(path, among: mounts, on: host)
    }
    guard !found.isEmpty else { return [] }
    let names = found.map { host.files.display($0) }.joined(separator: ", ")
    return [
      Finding(
        .secretUnencrypted,
        """
        private keys are on an unencrypted file system: anyone who gets the disk can sign UKIs for this machine \
        (\(names))
        """,
        arguments: ["files": JSONValue(found.map { host.files.display($0) })],
        actions: [
          .advise(
            """
            keep PK.key and KEK.key off this host; for the signing key, use a passphrase, a token (Key= with a pkcs11: \
            URI) or an encrypted file system
            """)
        ])
    ]
  }

  /// Whether a path is on a block device that is known to be unencrypted.
  static func isOnUnencryptedDevice(_ path: String, among mounts: [MountPoint], on host: Host) throws -> Bool {
    guard let mount = mount(of: path, among: mounts), mount.device.major != 0,
      try !leadsThroughLinks(path, on: host)
    else { return false }
    return try isUnencrypted(mount.device, in: host.files)
  }

  /// Whether the root file system is on a block device that is known to be unencrypted.
  static func isUnencrypted(rootOf mounts: [MountPoint], on host: Host) throws -> Bool {
    guard let root = mounts.last(where: { $0.path == "/" }), root.device.major != 0 else { return false }
    return try isUnencrypted(root.device, in: host.files)
  }

  /// Whether the file is a private key that needs no passphrase.
  private static func isPlainKey(_ path: String, on host: Host) throws -> Bool {
    guard let content = try host.files.readFileIfPresent(path, limit: sizeLimit) else { return false }
    return content.contains(bytes: "PRIVATE KEY-----".utf8) && !content.contains(bytes: "ENCRYPTED".utf8)
  }

  private static func leadsThroughLinks(_ path: String, on host: Host) throws -> Bool {
    var parent = path
    while parent != "/" {
      if try host.files.linkStatus(of: parent)?.kind == .symbolicLink { return true }
      parent = PathName(parent).directory
    }
    return false
  }

  /// The last mount at the longest path that contains `path`.
  static func mount(of path: String, among mounts: [MountPoint]) -> MountPoint? {
    let candidates = mounts.filter { $0.path == "/" || path == $0.path || path.hasPrefix($0.path + "/") }
    guard let longest = candidates.map(\.path.utf8.count).max() else { return nil }
    return candidates.last { $0.path.utf8.count == longest }
  }

  /// Whether the device, or one of those that it consists of, has no encryption by dm-crypt below it.
  ///
  /// False if sysfs does not know the device.
  static func isUnencrypted(_ device: DeviceNumber, in files: FileSystem) throws -> Bool {
    let directory = "/sys/dev/block/\(device)"
    guard try files.isDirectory(directory) else { return false }
    var budget = deviceLimit
    return try isUnencrypted(directory, in: files, depth: 0, &budget)
  }

  private static func isUnencrypted(
    _ directory: String, in files: FileSystem, depth: Int, _ budget: inout Int
  ) throws -> Bool {
    budget -= 1
    guard depth < depthLimit, budget >= 0 else { return false }
    if try files.readTextIfPresent("\(directory)/dm/uuid", limit: 4096)?.hasPrefix("CRYPT-") == true { return false }
    // The parts of a partition are those of its disk.
    let isPartition = try files.exists("\(directory)/partition")
    let parts = "\(directory)/\(isPartition ? "../slaves" : "slaves")"
    let names = try files.list(parts) ?? []
    guard !names.isEmpty else { return true }
    for name in names where try isUnencrypted("\(parts)/\(name)", in: files, depth: depth + 1, &budget) {
      return true
    }
    return false
  }
}

extension Message {
  /// The command in a hint of the form "run 'COMMAND'"; nil for any other hint.
  fileprivate var quotedCommand: Message? {
    let start = "run '"
    guard key.hasPrefix(start), key.hasSuffix("'"), key.count > start.count + 1 else { return nil }
    return Message(key: String(key.dropFirst(start.count).dropLast()), arguments: arguments)
  }
}
