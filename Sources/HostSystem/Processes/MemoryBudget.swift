// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// Bytes of memory that threads share: work that needs more than is left waits until other work is done.
package final class MemoryBudget: @unchecked Sendable {  // because of the lock
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let freed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// All bytes of the budget, and those that are not reserved.
  package let total: Int
  private var left: Int

  package init(bytes: Int) {
    total = bytes
    left = bytes
    pthread_mutex_init(lock, nil)
    pthread_cond_init(freed, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    pthread_cond_destroy(freed)
    lock.deallocate()
    freed.deallocate()
  }

  /// Calls `body` while `bytes` of the budget are reserved.
  ///
  /// Work that needs more than the whole budget runs alone. `body` must not reserve from the same budget: it could wait
  /// for itself.
  package func reserving<Result>(_ bytes: Int, _ body: () throws -> Result) rethrows -> Result {
    let share = min(bytes, total)
    pthread_mutex_lock(lock)
    while left < share { pthread_cond_wait(freed, lock) }
    left -= share
    pthread_mutex_unlock(lock)
    defer {
      pthread_mutex_lock(lock)
      left += share
      pthread_mutex_unlock(lock)
      pthread_cond_broadcast(freed)
    }
    return try body()
  }
}
