// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

extension Configuration {
  /// A value on its way to its type; nil is the default.
  struct Value {
    let entry: SettingsFile.Entry
    let path: String

    func truth() throws -> Bool? {
      switch entry.value {
      case "": nil
      case "yes": true
      case "no": false
      default: throw wrong("yes or no")
      }
    }

    func count() throws -> Int? {
      if entry.value.isEmpty { return nil }
      guard let number = Int(entry.value), 0...1000 ~= number else { throw wrong("a number from 0 to 1000") }
      return number
    }

    func choice<Choice: RawRepresentable<String>>(wanted: Message) throws -> Choice? {
      if entry.value.isEmpty { return nil }
      guard let choice = Choice(rawValue: entry.value) else { throw wrong(wanted) }
      return choice
    }

    func absolutePath() throws -> String? {
      if entry.value.isEmpty { return nil }
      guard entry.value.hasPrefix("/") else { throw wrong("an absolute path") }
      return entry.value
    }

    func pathOrURI() throws -> String? {
      if entry.value.contains(":") { return entry.value }
      return try absolutePath()
    }

    private func wrong(_ wanted: Message) -> BootEnvironmentError {
      BootEnvironmentError(
        path, line: entry.line, "\(entry.key) is '\(entry.value)'", hint: "\(entry.key)= takes \(wanted)")
    }
  }
}
