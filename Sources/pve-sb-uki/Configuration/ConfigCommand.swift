// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import ArgumentParser
import BootEnvironment
import CommandLineInterface
import CommandSupport
import HostCommands
import HostSystem
import Messages

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Show and change the settings",
    subcommands: [Get.self, Set.self, List.self])

  // Options may come before the subcommand too.
  @OptionGroup var global: GlobalOptions

  struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get",
      abstract: "Print the current value of a setting",
      discussion: "Prints the default if no file sets the value. An empty value means automatic detection.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Setting, such as Keep", valueName: "key"), completion: .settings)
    var key: String

    @Flag(help: "Print nothing if no file sets a value")
    var noDefault = false

    func run() throws {
      let item = try ConfigurationList().item(key, on: global.host())
      try global.print(noDefault && item.isDefault ? "" : [Message(verbatim: item.value)].localLines, json: item.json)
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Print all settings, their current values and where they come from")

    @OptionGroup var global: GlobalOptions

    func run() throws {
      let items = try ConfigurationList().run(on: global.host())
      try global.print(items.map(\.text).localLines, json: ["settings": .array(items.map(\.json))])
    }
  }

  struct Set: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "set",
      abstract: "Write settings to /etc/pve-sb-uki/pve-sb-uki.conf",
      discussion: """
        Checks the values first and keeps all other lines of the file. A value is rejected if a file in \
        pve-sb-uki.conf.d overrides it. Key and Certificate are rejected unless the key can sign and the certificate \
        belongs to it. Run 'pve-sb-uki apply' for the change to take effect immediately.

        Example: pve-sb-uki config set Keep 3
        """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Setting, such as Keep", valueName: "key"), completion: .settings)
    var key: String

    @Argument(help: ArgumentHelp("Value; '' for the default", valueName: "value"))
    var value: String

    @Argument(
      help: ArgumentHelp("More keys, each with its value; all are written at once, or none", valueName: "key-value"),
      completion: .settings)
    var more: [String] = []

    @Flag(help: "Write the values even if another file overrides them or the key cannot sign")
    var force = false

    @Flag(help: "Check the values and write nothing")
    var dryRun = false

    func validate() throws {
      if let last = more.last, !more.count.isMultiple(of: 2) {
        throw ValidationError(saying: "specify a value for \(last)")
      }
    }

    func run() throws {
      let words = [key, value] + more
      var set = ConfigurationSet(
        stride(from: 0, to: words.count, by: 2).map { ConfigurationSet.Assignment(words[$0], words[$0 + 1]) })
      set.isForced = force
      set.isDryRun = dryRun
      // A new key is tried before its setting is written, and may have a passphrase.
      var host = try global.host()
      host.passphrases.mayAsk = Terminal.hasUser
      let results = try set.run(on: host)
      for result in results {
        if let item = result.outweighing, let path = item.path, let line = item.line {
          try global.note("\(path), line \(line), still sets \(item.key) to '\(item.value)'")
        }
      }
      try global.print(
        results.map { $0.text(isDryRun: dryRun) }.localLines,
        json: results.count == 1 ? results[0].json : ["settings": .array(results.map(\.json))])
      guard results.contains(where: \.isChange), !dryRun else { return }
      // The hook of the initrds then calls apply.
      try global.note(
        results.contains(where: \.concernsInitrd)
          ? "to apply the change now, run: update-initramfs -u -k all && pve-sb-uki apply"
          : "to apply the change now, run: pve-sb-uki apply")
    }
  }
}

extension ConfigurationSet.Result {
  /// Whether the initrds have to be made anew: they contain the watchdog for trials.
  fileprivate var concernsInitrd: Bool { isChange && (key == "Watchdog" || key == "Promotion" && new == "trial") }
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
  fileprivate func text(isDryRun: Bool) -> Message {
    guard isChange else { return "\(Configuration.path): unchanged" }
    return isDryRun ? "\(Configuration.path): \(key) would be written" : "\(Configuration.path): \(key) written"
  }

  var json: JSONValue {
    .object([
      "path": .string(Configuration.path), "key": .string(key), "old": JSONValue(old), "new": .string(new),
      "changed": .boolean(isChange), "outweighed_by": outweighing?.json ?? .null,
    ])
  }
}
