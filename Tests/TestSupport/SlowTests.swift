// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// Suites and tests that take more than 20 seconds of processor time, marked with `.enabled(if: SlowTests.run)`.
///
/// `make test` leaves them out and lists them. `swift test` and `make check` run all.
package enum SlowTests {
  /// False if the environment has `UNIT_TESTS=quick`.
  package static let run = getenv("UNIT_TESTS").map { String(cString: $0) } != "quick"
}
