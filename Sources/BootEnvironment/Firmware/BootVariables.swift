// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import EFIData
package import HostSystem
package import Messages

/// The variables of the firmware's boot manager (UEFI 2.10 section 3.1).
package struct BootVariables: Hashable, Sendable {
  /// A Boot#### variable.
  package struct Entry: Hashable, Sendable {
    package var number: UInt16
    /// The content of its file in efivarfs; nil if it exists but cannot be read.
    package var content: [UInt8]?
    /// The load option; nil if the content is invalid.
    ///
    /// pve-sb-uki never changes such an entry.
    package var option: LoadOption?

    package init(number: UInt16, content: [UInt8]?, option: LoadOption?) {
      self.number = number
      self.content = content
      self.option = option
    }

    package var isActive: Bool { option?.attributes.contains(.active) ?? false }
  }

  /// By number.
  package var entries: [Entry] = []
  /// BootOrder: the numbers that the firmware tries, in order.
  ///
  /// May contain numbers without an entry.
  package var order: [UInt16] = []
  /// BootNext: the entry to try once, before all others.
  package var next: UInt16?
  /// BootCurrent: the entry that this machine was booted from.
  package var current: UInt16?
  /// One message for each invalid entry.
  package var problems: [Message] = []

  package init() {}

  /// Reads the variables.
  ///
  /// Throws `EFIVariableError` if efivarfs is not mounted. Throws `BootEnvironmentError` or `HostError` if the boot order
  /// is invalid or cannot be read, since replacing it would lose entries.
  package init(readingFrom store: EFIVariableStore) throws {
    try self.init(entriesIn: store)
    order = try Self.numbers(.bootOrder, store) ?? []
  }

  /// The variables as far as they can be read: an invalid boot order counts as empty, and `orderProblem` says why.
  ///
  /// Throws `EFIVariableError` if efivarfs is not mounted.
  package static func readable(
    in store: EFIVariableStore
  ) throws -> (variables: BootVariables, orderProblem: (any Error)?) {
    var variables = try BootVariables(entriesIn: store)
    do {
      variables.order = try numbers(.bootOrder, store) ?? []
    } catch {
      return (variables, error)
    }
    return (variables, nil)
  }

  private init(entriesIn store: EFIVariableStore) throws {
    for name in try store.names() {
      guard let number = EFIVariableName.bootOptionNumber(ofFile: name) else { continue }
      do {
        guard let content = try store.read(name) else { continue }
        entries.append(entry(number, content))
      } catch {
        problems.append("Boot\(EFIVariableName.bootOptionDigits(number)) is left unchanged: \(error)")
        entries.append(Entry(number: number, content: nil, option: nil))
      }
    }
    next = try? Self.numbers(.bootNext, store)?.first
    current = try? Self.numbers(.bootCurrent, store)?.first
  }

  private mutating func entry(_ number: UInt16, _ content: [UInt8]) -> Entry {
    do {
      let option = try LoadOption(parsing: EFIVariableContent(parsing: content).data)
      return Entry(number: number, content: content, option: option)
    } catch {
      problems.append("Boot\(EFIVariableName.bootOptionDigits(number)) is left unchanged: \(error)")
      return Entry(number: number, content: content, option: nil)
    }
  }

  private static func numbers(_ variable: EFIVariableName, _ store: EFIVariableStore) throws -> [UInt16]? {
    guard let content = try store.read(variable.fileName) else { return nil }
    do {
      return try BootOrder(parsing: EFIVariableContent(parsing: content).data).numbers
    } catch {
      throw BootEnvironmentError(
        of: "firmware variable \(variable.name)", Message(error),
        hint: "set it in the firmware's setup menu, or with: efibootmgr --bootorder")
    }
  }

  package subscript(number: UInt16) -> Entry? { entries.first { $0.number == number } }
}
