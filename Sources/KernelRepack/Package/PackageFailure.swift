// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Compression
internal import Messages

/// Runs `body` and turns what it throws into a failure that begins with the package's name and ends in what to do.
func describingPackage<Value>(_ path: String, _ body: () throws -> Value) throws(Failure) -> Value {
  do {
    return try body()
  } catch let failure as Failure {
    let names = failure.message.description.utf8.starts(with: "\(path):".utf8)
    throw names ? failure : Failure("\(path): \(failure.message)", hint: failure.hint)
  } catch {
    var failure = Failure(path, error)
    if error is ParseError || error is CompressionError {
      failure.hint = "the package is damaged or was changed; fetch it again"
    }
    throw failure
  }
}
