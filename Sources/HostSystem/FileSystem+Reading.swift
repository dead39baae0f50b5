// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
import Glibc
import Messages

extension FileSystem {
  /// Opens a regular file for reading.
  package func openFile(_ path: String) throws -> File {
    // A FIFO without a writer would block for ever; O_NONBLOCK means nothing to a regular file.
    try File(owning: open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK), path: display(path))
  }

  /// The whole content of a regular file. Throws `HostError` if it is larger than `limit` bytes.
  package func readFile(_ path: String, limit: Int) throws -> [UInt8] {
    try openFile(path).readToEnd(limit: limit)
  }

  /// The content as `readFile`, or nil if there is no such file.
  package func readFileIfPresent(_ path: String, limit: Int) throws -> [UInt8]? {
    do {
      return try readFile(path, limit: limit)
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
  }

  /// The content as text, or nil if there is no such file; bytes that are not UTF-8 become U+FFFD.
  package func readTextIfPresent(_ path: String, limit: Int = 1 << 20) throws -> String? {
    try readFileIfPresent(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// What `path` is, symbolic links followed; nil if there is nothing.
  package func status(of path: String) throws -> FileStatus? { try status(of: path, flags: 0) }

  /// What `path` itself is, be it a symbolic link; nil if there is nothing.
  package func linkStatus(of path: String) throws -> FileStatus? { try status(of: path, flags: O_NOFOLLOW) }

  /// As `status`, but throws `HostError` if there is nothing.
  func requiredStatus(of path: String) throws(HostError) -> FileStatus {
    try open(path, psu_o_path, operation: "open").status(path: display(path))
  }

  private func status(of path: String, flags: Int32) throws -> FileStatus? {
    do throws(HostError) {
      return try open(path, psu_o_path | flags, operation: "examine").status(path: display(path))
    } catch {
      guard error.meansAbsent else { throw error }
      return nil
    }
  }

  package func exists(_ path: String) throws -> Bool { try status(of: path) != nil }
  package func isDirectory(_ path: String) throws -> Bool { try status(of: path)?.kind == .directory }

  /// The names in a directory in byte order, without `.` and `..`; nil if there is no such directory.
  package func list(_ directory: String) throws -> [String]? {
    do {
      return try names(in: open(directory, O_RDONLY | O_DIRECTORY, operation: "list"), path: display(directory))
    } catch let error as HostError where error.meansAbsent {
      return nil
    }
  }

  private func names(in directory: Descriptor, path: String) throws -> [String] {
    // The stream closes the descriptor it is given, so it gets one of its own.
    let number = try SystemCall.check("list", path) { fcntl(directory.number, F_DUPFD_CLOEXEC, 0) }
    guard let stream = fdopendir(number) else {
      let error = HostError("list", path, errno: errno)
      Glibc.close(number)
      throw error
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw HostError("list", path, errno: errno) }
    return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Bytes that an unprivileged writer could still put on the file system that holds `path`.
  package func availableSpace(at path: String) throws -> Int {
    let space = try space(at: path)
    let (bytes, overflow) = Int(clamping: space.f_bavail).multipliedReportingOverflow(by: Int(clamping: space.f_frsize))
    return overflow ? .max : bytes
  }

  /// Whether the file system that holds `path`, or its mount there, takes no changes.
  package func isReadOnly(at path: String) throws -> Bool { try space(at: path).f_flag & UInt(ST_RDONLY) != 0 }

  private func space(at path: String) throws -> statvfs {
    let descriptor = try open(path, O_RDONLY | O_NONBLOCK, operation: "examine")
    var space = statvfs()
    try SystemCall.check("examine", display(path)) { fstatvfs(descriptor.number, &space) }
    return space
  }
}

extension HostError {
  /// Whether the path names nothing, as opposed to something that cannot be had.
  package var meansAbsent: Bool { errno == ENOENT || errno == ENOTDIR }
}
