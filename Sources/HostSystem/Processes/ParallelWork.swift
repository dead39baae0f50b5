// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
import Glibc
internal import Messages

/// Work that several processors share.
package enum ParallelWork {
  /// Processors that this process may run on, at least 1.
  package static var processorCount: Int { Int(psu_processor_count()) }

  /// Has memory of a mebibyte or more given back to the system when it is freed.
  ///
  /// glibc would keep what was freed once, in pieces that other large ones do not fit into.
  package static func returnLargeMemory() { psu_return_large_memory() }

  /// The results of `body` for 0 to `count` - 1, in order, from up to `workers` threads of which this is one.
  ///
  /// Throws what `body` threw for the lowest number; numbers that were not begun by then are left out. So they are when
  /// a signal asks to stop, which is delivered when all threads are done: none leaves something half done behind.
  package static func map<Value: Sendable>(
    _ count: Int, workers: Int, _ body: @escaping @Sendable (Int) throws -> Value
  ) throws -> [Value] {
    let helpers = min(count, workers) - 1
    guard helpers > 0 else { return try (0..<count).map(body) }
    let termination = HeldTermination()
    defer { termination.release() }
    let queue = WorkQueue(count: count, termination: termination, body: body)
    let threads = try (0..<helpers).map { _ in try Self.start { queue.drain() } }
    queue.drain()
    for thread in threads { pthread_join(thread, nil) }
    return try queue.results()
  }

  private static func start(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      throw HostError("start", of: "a thread", errno: code, hint: "give a smaller number with --jobs")
    }
    return thread
  }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Hands out numbers and takes results.
private final class WorkQueue<Value: Sendable>: Sendable {
  private struct State {
    var next = 0
    var values: [Result<Value, any Error>?]
  }

  private let body: @Sendable (Int) throws -> Value
  private let termination: HeldTermination
  private let state: Guarded<State>

  init(count: Int, termination: HeldTermination, body: @escaping @Sendable (Int) throws -> Value) {
    self.body = body
    self.termination = termination
    state = Guarded(State(values: Array(repeating: nil, count: count)))
  }

  /// Takes numbers until none is left or one has failed.
  func drain() {
    while let index = take() {
      let value = Result { try body(index) }
      state.withLock { state in
        state.values[index] = value
        if case .failure = value { state.next = state.values.count }
      }
    }
  }

  /// In order, once every thread is done.
  func results() throws -> [Value] {
    let values = state.withLock { $0.values }
    for case .failure(let error)? in values { throw error }
    return try values.map { value in
      guard case .success(let result)? = value else { throw HostError("finish", of: "the work", errno: ECANCELED) }
      return result
    }
  }

  private func take() -> Int? {
    state.withLock { state in
      guard state.next < state.values.count, !termination.isRequested else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }
}

/// A value that several threads share, one at a time.
///
/// Not `Synchronization.Mutex`: Swift 6.0.3 does not let one be wrapped, and hooks would carry that library along.
package final class Guarded<Value>: @unchecked Sendable {  // the lock is what makes it so
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var value: Value

  package init(_ value: Value) {
    self.value = value
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Calls `body` with the value while no other thread has it.
  package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value)
  }
}
