// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import ArgumentParser
internal import CommandSupport
internal import HostSystem
package import Messages

/// Runs a command tree with this project's exit codes: 0 done or healthy, 1 failed or a problem was found, 2 wrong
/// usage.
///
/// ArgumentParser's own `main()` exits with 64 for wrong usage.
package enum CommandLineProgram {
  package static func run(_ root: any ParsableCommand.Type, name: String) -> Never {
    ProcessSetup.perform()
    Catalogue.open(name)
    do {
      var command = try root.parseAsRoot(Array(ProcessArguments.all.dropFirst()))
      try command.run()
    } catch {
      ProcessSetup.end(report(error, of: root, name: name))
    }
    ProgressLine.end()
    ProcessSetup.end(0)
  }

  private static func report(_ error: any Error, of root: any ParsableCommand.Type, name: String) -> CInt {
    if let code = error as? ExitCode { return code.rawValue == 0 ? 0 : 1 }
    let message = root.message(for: error)
    switch root.exitCode(for: error) {
    case .success:
      try? StandardStream.output.write(message + "\n")
      return 0
    case .validationFailure:
      let lines: [Message]
      if let unknown = UnknownCommand(in: Array(ProcessArguments.all.dropFirst()), of: root) {
        let path = ([name] + unknown.parents).joined(separator: " ")
        lines = [
          "\(name): error: no such command: \(path) \(unknown.word)",
          unknown.isOfFirstLevel
            ? "hint: run: \(name) \(unknown.word)"
            : "hint: the commands of '\(path)' are \(unknown.commands.joined(separator: ", "))",
        ]
      } else {
        lines = ["\(name): error: \(message)", "hint: see '\(name) --help'"]
      }
      try? StandardStream.error.write(lines.localLines.terminalText)
      return 2
    default:
      ErrorReport.write(error, program: name)
      return 1
    }
  }
}

extension ValidationError {
  /// Reports wrong usage that ArgumentParser cannot detect, in the user's language.
  package init(saying message: Message) { self.init(message.localText) }
}
