// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BootEnvironment
import CommandSupport
import HostCommands
import Messages

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Show and change the settings.",
    subcommands: [Get.self, Set.self, List.self])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get",
      abstract: "Print the value of a setting that is in use.",
      discussion: "Without an assignment in a file it is the default. An empty value means that no default is fixed.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The setting, such as Keep.", valueName: "key"), completion: .settings)
    var key: String

    func run() throws {
      let item = try ConfigurationList().item(key, on: global.host())
      try global.print([Message(verbatim: item.value)].localLines, json: item.json)
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Print all settings, the values in use and where they come from.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let items = try ConfigurationList().run(on: global.host())
      try global.print(items.map(\.text).localLines, json: ["settings": .array(items.map(\.json))])
    }
  }

  struct Set: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "set",
      abstract: "Write a setting to /etc/pve-sb-uki/pve-sb-uki.conf.",
      discussion: """
        All other lines of the file stay. The value is checked first. It is refused if a file in pve-sb-uki.conf.d \
        sets the same key, which would outweigh it. Run 'pve-sb-uki apply' to have the change take effect at once.

        Example: pve-sb-uki config set Keep 3
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The setting, such as Keep.", valueName: "key"), completion: .settings)
    var key: String

    @Argument(help: ArgumentHelp("The value; '' for the default.", valueName: "value"))
    var value: String

    @Flag(help: "Write it even if another file outweighs it.")
    var force = false

    func run() throws {
      var set = ConfigurationSet(key: key, value: value)
      set.isForced = force
      let result = try set.run(on: global.host())
      if let item = result.outweighing, let path = item.path, let line = item.line {
        try global.note("\(path), line \(line), still sets \(key) to '\(item.value)'")
      }
      try global.print(result.text.localLine, json: result.json)
      if result.isChange { try global.note("it takes effect at once with: pve-sb-uki apply") }
    }
  }
}

extension CompletionKind {
  /// Keys of the settings.
  fileprivate static let settings = CompletionKind.list(Setting.all.map(\.key))
}

extension ConfigurationList.Item {
  fileprivate var text: Message {
    guard let path, let line else { return "\(key)=\(value)  (default)" }
    return "\(key)=\(value)  (\(path), line \(line))"
  }

  var json: JSONValue {
    .object([
      "key": .string(key), "value": .string(value), "source": .string(source.rawValue), "path": JSONValue(path),
      "line": JSONValue(line),
    ])
  }
}

extension ConfigurationSet.Result {
  fileprivate var text: Message {
    isChange ? "\(Configuration.path): \(key) written" : "\(Configuration.path): unchanged"
  }

  var json: JSONValue {
    .object([
      "path": .string(Configuration.path), "key": .string(key), "old": JSONValue(old), "new": .string(new),
      "changed": .boolean(isChange), "outweighed_by": outweighing?.json ?? .null,
    ])
  }
}
