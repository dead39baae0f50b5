// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// An error that reads as a sentence and may know what the user can do about it.
package protocol HintedError: Error, MessageConvertible {
  /// What to do next, in the imperative; nil where nothing more than the error is known.
  var hint: Message? { get }
  /// Whether the sentence names the object that it is about. If not, the caller that knows the object puts its name in
  /// front. Default: no.
  var namesItsObject: Bool { get }
}

extension HintedError {
  package var namesItsObject: Bool { false }
}

/// A use case that could not be carried out: one sentence that names the object, and what to do next.
package struct Failure: HintedError, Hashable {
  package var message: Message
  package var hint: Message?

  package init(_ message: Message, hint: Message? = nil) {
    self.message = message
    self.hint = hint
  }

  /// What a lower layer says about the file `name`.
  package init(_ name: String, _ cause: any Error) { self.init(of: Message(verbatim: name), cause) }

  /// What a lower layer says about an object that is not a file.
  package init(of object: Message, _ cause: any Error) {
    let hinted = cause as? any HintedError
    self.init(hinted?.namesItsObject == true ? Message(cause) : "\(object): \(cause)", hint: hinted?.hint)
  }

  /// `error` as it is if it is a failure already, and so names its object; else what it says about `object`.
  package init(adopting error: any Error, of object: Message) {
    self = (error as? Failure) ?? Failure(of: object, error)
  }
}

/// Runs `body` and turns what it throws into a failure about the file `name`.
package func describing<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
  do {
    return try body()
  } catch {
    throw Failure(adopting: error, of: Message(verbatim: name))
  }
}
