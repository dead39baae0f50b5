// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// What was read through a `FileSystem` so far: an observation examines each file once, and always sees the same.
///
/// Forgets everything before each change that is made through the same value. Changes by others are not noticed, so it
/// must not outlive one observation. Errors are not kept.
final class Recollection: Sendable {
  private struct State {
    var statuses: [String: FileStatus?] = [:]
    var contents: [String: [UInt8]?] = [:]
    var names: [String: [String]?] = [:]
  }

  private let state = Guarded(State())

  /// Bytes; larger contents are not kept.
  private static let contentLimit = 64 << 10

  func forget() { state.withLock { $0 = State() } }

  /// The status of a path as seen from outside the root; `read` is called for the first time only.
  func status(of path: String, followingLink: Bool, _ read: () throws -> FileStatus?) rethrows -> FileStatus? {
    // No path has a NUL byte.
    let key = followingLink ? path : path + "\0"
    if let known = state.withLock({ $0.statuses[key] }) { return known }
    let status = try read()
    state.withLock { $0.statuses[key] = .some(status) }
    return status
  }

  /// Keeps a status that was read without following symbolic links.
  func keep(_ status: FileStatus, of path: String) {
    state.withLock {
      $0.statuses[path + "\0"] = status
      if status.kind != .symbolicLink { $0.statuses[path] = status }
    }
  }

  func keep(_ names: [String]?, in directory: String) { state.withLock { $0.names[directory] = .some(names) } }

  /// The content of a file, as above; nil if it does not exist.
  ///
  /// One that is larger than `limit` bytes is read again, for the error.
  func content(of path: String, limit: Int, _ read: () throws -> [UInt8]?) rethrows -> [UInt8]? {
    if let known = state.withLock({ $0.contents[path] }), known?.count ?? 0 <= limit { return known }
    let content = try read()
    if content?.count ?? 0 <= Self.contentLimit { state.withLock { $0.contents[path] = .some(content) } }
    return content
  }

  /// The names in a directory, as above; nil if it does not exist.
  func names(in directory: String, _ read: () throws -> [String]?) rethrows -> [String]? {
    if let known = state.withLock({ $0.names[directory] }) { return known }
    let names = try read()
    state.withLock { $0.names[directory] = .some(names) }
    return names
  }
}
