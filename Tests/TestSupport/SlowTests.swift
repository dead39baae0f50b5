// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// Suites and tests that need more than 20 seconds of processor time, marked with `.enabled(if: SlowTests.run)`.
///
/// `make test` skips and lists them. `swift test` and `make check` run all tests.
package enum SlowTests {
  /// False if the environment contains `UNIT_TESTS=quick`.
  package static let run = getenv("UNIT_TESTS").map { String(cString: $0) } != "quick"
}
