// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
import Glibc
internal import Messages

/// Work that is spread over several processors.
package enum ParallelWork {
  /// Processors that this process may run on, at least 1.
  package static var processorCount: Int { Int(psu_processor_count()) }

  /// Makes glibc return allocations of 1 MiB or more to the system when they are freed.
  ///
  /// Otherwise glibc keeps them in pieces that are too small for other large allocations.
  package static func returnLargeMemory() { psu_return_large_memory() }

  /// The results of `body` for 0 to `count` - 1, in order, from up to `workers` threads including this one.
  ///
  /// If the system starts fewer threads, those do all the work. `start` is `startThread`, except in tests.
  /// Throws the error of `body` for the lowest number; numbers that were not started by then are skipped. They are also
  /// skipped after a termination signal, which is delivered when all threads have finished their current call.
  package static func map<Value: Sendable>(
    _ count: Int, workers: Int, startingThreads start: ThreadStart = startThread,
    _ body: @escaping @Sendable (Int) throws -> Value
  ) throws -> [Value] {
    let helpers = min(count, workers) - 1
    guard helpers > 0 else { return try (0..<count).map(body) }
    let termination = HeldTermination()
    defer { termination.release() }
    let queue = WorkQueue(count: count, termination: termination, body: body)
    var threads: [() -> Void] = []
    while threads.count < helpers, let join = start({ queue.drain() }) { threads.append(join) }
    queue.drain()
    for join in threads { join() }
    return try queue.results()
  }

  /// Runs its argument in a new thread and returns a function that waits for its end.
  package typealias ThreadStart = (@escaping @Sendable () -> Void) -> (() -> Void)?

  /// Returns nil if the system cannot start a thread, as at its limit of processes or memory.
  package static func startThread(_ body: @escaping @Sendable () -> Void) -> (() -> Void)? {
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
      return nil
    }
    return { pthread_join(thread, nil) }
  }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Distributes numbers and collects results.
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

  /// Processes numbers until none is left or one has failed.
  func drain() {
    while let index = take() {
      let value = Result { try body(index) }
      state.withLock { state in
        state.values[index] = value
        if case .failure = value { state.next = state.values.count }
      }
    }
  }

  /// The results in order, after all threads have finished.
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

/// A value that several threads share, protected by a lock.
///
/// Not `Synchronization.Mutex`: Swift 6.0.3 cannot wrap one, and hooks would have to include that library.
package final class Guarded<Value>: @unchecked Sendable {  // because of the lock
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

  /// Calls `body` with exclusive access to the value.
  package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value)
  }
}
