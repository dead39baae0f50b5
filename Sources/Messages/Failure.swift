// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An error that reads as a sentence and may carry a hint for the user.
package protocol HintedError: Error, MessageConvertible {
  /// What to do next, in the imperative; nil if there is nothing to advise.
  var hint: Message? { get }
  /// Whether the sentence names the object it is about; if not, the caller puts the name before it. Default: no.
  var namesItsObject: Bool { get }
}

extension HintedError {
  package var namesItsObject: Bool { false }
}

/// A use case that failed: one sentence that names the object, and a hint.
package struct Failure: HintedError, Hashable {
  package var message: Message
  package var hint: Message?

  package init(_ message: Message, hint: Message? = nil) {
    self.message = message
    self.hint = hint
  }

  /// The sentence, and the hint after a semicolon.
  package var withHint: Message { hint.map { "\(message); \($0)" } ?? message }

  /// An error of a lower layer about the file `name`.
  package init(_ name: String, _ cause: any Error) { self.init(of: Message(verbatim: name), cause) }

  /// An error of a lower layer about an object that is not a file.
  package init(of object: Message, _ cause: any Error) {
    let hinted = cause as? any HintedError
    self.init(hinted?.namesItsObject == true ? Message(cause) : "\(object): \(cause)", hint: hinted?.hint)
  }

  /// `error` itself if it is a failure, which already names its object; otherwise a failure about `object`.
  package init(adopting error: any Error, of object: Message) {
    self = (error as? Failure) ?? Failure(of: object, error)
  }
}

/// Runs `body` and turns an error it throws into a failure about the file `name`.
package func describing<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
  do {
    return try body()
  } catch {
    throw Failure(adopting: error, of: Message(verbatim: name))
  }
}
