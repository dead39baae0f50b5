// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
internal import Messages

/// A third-party program with which tests compare their results.
///
/// A missing program fails the test.
package struct ExternalTool: Sendable {
  package struct Result: Sendable {
    /// The exit code, or 128 plus the number of the signal that killed it.
    package var status: Int32
    package var output: [UInt8]
    package var errors: String
    package var text: String { String(decoding: output, as: UTF8.self) }
  }

  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  package let name: String

  /// A program in PATH.
  package init(_ name: String) { self.name = name }

  /// A program of this package, which is built in the test program's directory.
  package static func built(_ name: String) throws -> ExternalTool {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { throw Failure(description: "/proc/self/exe cannot be read") }
    let bytes = path[..<count].map { UInt8(bitPattern: $0) }
    let directory = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[...$0] } ?? []
    return ExternalTool(String(decoding: directory, as: UTF8.self) + name)
  }

  /// Runs the program and returns its output and exit code.
  ///
  /// Throws if it cannot be started.
  package func result(_ arguments: [String], input: [UInt8] = []) throws -> Result {
    let standardInput = try anonymousFile()
    let output = try anonymousFile()
    let errors = try anonymousFile()
    defer { for stream in [standardInput, output, errors] { fclose(stream) } }
    fwrite(input, 1, input.count, standardInput)
    rewind(standardInput)

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, stream) in [standardInput, output, errors].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, fileno(stream), Int32(target))
    }
    var argv = ([name] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var child = pid_t()
    let code = posix_spawnp(&child, name, &actions, nil, &argv, environ)
    guard code == 0 else {
      throw Failure(description: "cannot run \(name), which this test needs: \(String(cString: strerror(code)))")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7f
    return Result(
      status: signal == 0 ? status >> 8 & 0xff : 128 + signal, output: content(of: output),
      errors: String(decoding: content(of: errors), as: UTF8.self))
  }

  /// Runs the program and returns its standard output.
  ///
  /// Throws an error with its output if it does not exit with 0.
  @discardableResult
  package func run(_ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
    let result = try result(arguments, input: input)
    guard result.status == 0 else {
      let call = ([name] + arguments).joined(separator: " ")
      throw Failure(description: "\(call) ended with \(result.status): \(result.errors)\(result.text)")
    }
    return result.output
  }

  private func anonymousFile() throws -> UnsafeMutablePointer<FILE> {
    guard let file = tmpfile() else { throw Failure(description: "no temporary file for \(name)") }
    return file
  }

  private func content(of file: UnsafeMutablePointer<FILE>) -> [UInt8] {
    fseek(file, 0, SEEK_END)
    let size = ftell(file)
    rewind(file)
    return [UInt8](unsafeUninitializedCapacity: max(0, size)) { buffer, count in
      count = fread(buffer.baseAddress, 1, buffer.count, file)
    }
  }
}
