// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import HostSystem
package import Messages
internal import PortableExecutable
internal import UnifiedKernelImage

/// `pve-sb-uki cmdline show`: the configured command lines, those in the UKIs, and the running system's.
///
/// Changes nothing.
package struct CommandLineShow: Sendable {
  package init() {}

  /// A configured command line.
  package struct Line: Hashable, Sendable {
    /// Release of the kernel whose override it is; nil for the line of all other kernels.
    package var kernel: String?
    /// Nil if it cannot be read.
    package var text: String?
    /// The files that it comes from.
    package var paths: [String] = []
    package var errors: [Message] = []
    package var warnings: [Message] = []
  }

  /// A command line that is in use.
  package struct Use: Hashable, Sendable {
    /// Release of the kernel; nil if unknown.
    package var kernel: String?
    package var text: String
    /// The difference from the configured line of that kernel; nil if there is none.
    package var difference: WordDifference?
  }

  package struct Image: Hashable, Sendable {
    /// Name of the ESP.
    package var esp: String
    /// From the root of the ESP.
    package var path: String
    /// Whether its name is one that pve-sb-uki uses.
    package var isOurs: Bool
    /// Nil if the image has no command line or cannot be read.
    package var use: Use?
    /// Why `use` is nil, as a sentence.
    package var problem: Message?
  }

  package struct Report: Sendable {
    /// The common line, then the overrides.
    package var lines: [Line] = []
    /// Nil if unknown.
    package var running: Use?
    package var images: [Image] = []
    /// Why images could not be read, one sentence each.
    package var problems: [Message] = []

    /// Whether there is a line for every kernel.
    package var isComplete: Bool { lines.allSatisfy { $0.text != nil } }
  }

  /// Reads the command lines.
  ///
  /// Throws `HostError` if the files of the host cannot be read.
  package func run(on host: Host) throws -> Report {
    var report = Report()
    report.lines.append(Self.line(nil, on: host))
    for kernel in try CommandLine.overriddenKernels(in: host.files) {
      report.lines.append(Self.line(kernel, on: host))
    }
    if let text = try? CommandLine.running(in: host.files), host.isRunningSystem {
      report.running = report.use(of: text, kernel: host.kernelRelease)
    }
    do {
      let survey = try ESPSurvey(of: host, Configuration(of: host.files))
      report.problems = survey.problems.map(\.message)
      for esp in survey.esps { report.read(esp, on: host) }
    } catch {
      report.problems.append(Message(error))
    }
    return report
  }

  private static func line(_ kernel: Kernel?, on host: Host) -> Line {
    var result = Line(kernel: kernel?.release)
    do {
      let line = try kernel.map { try CommandLine(of: host.files, for: $0) } ?? CommandLine(of: host.files)
      result.text = line.text
      result.paths = line.parts.map(\.path)
      let rules = CommandLineRules(lengthLimit: KernelImage.usualCommandLineLimit, host: host)
      for finding in rules.findings(in: line, namedLike: line.parts.count == 1 ? line.path : nil) {
        if finding.severity == .warning {
          result.warnings.append(finding.message)
        } else {
          result.errors.append(finding.message)
        }
      }
    } catch {
      result.errors.append(Message(error))
    }
    return result
  }
}

extension CommandLineShow.Report {
  fileprivate func use(of text: String, kernel: String?) -> CommandLineShow.Use {
    let own = lines.first { $0.kernel == kernel } ?? lines.first { $0.kernel == nil }
    let difference = kernel == nil ? nil : own?.text.map { WordDifference(from: $0, to: text) }
    return CommandLineShow.Use(kernel: kernel, text: text, difference: difference)
  }

  fileprivate mutating func read(_ esp: ESP, on host: Host) {
    do {
      let files = try esp.open(on: host, for: .reading)
      for fileName in try files.list(UKIName.directory) ?? [] where fileName.lowercased().hasSuffix(".efi") {
        let path = "\(UKIName.directory)/\(fileName)"
        let name = UKIName(fileName: fileName)
        var image = CommandLineShow.Image(esp: esp.name, path: path, isOurs: name != nil)
        do {
          let text = try EmbeddedCommandLine(readingFrom: files.openFile(path))
          image.use = text.line.map { use(of: $0, kernel: name?.kernel.release ?? text.kernelRelease) }
          if image.use == nil { image.problem = "it contains no command line" }
        } catch {
          image.problem = Failure(path, error).message
        }
        images.append(image)
      }
    } catch {
      problems.append(Failure(esp.name, error).message)
    }
  }
}

/// `pve-sb-uki cmdline show --base`: the line in `/etc/kernel/cmdline`, without fragments.
package struct CommandLineBase: Sendable {
  package init() {}

  package struct Result: Hashable, Sendable {
    package var line: String
    /// The file that contains it, or `/proc/cmdline` if there is none yet.
    package var path: String

    package init(line: String, path: String) {
      self.line = line
      self.path = path
    }
  }

  /// Reads the line.
  ///
  /// Throws `BootEnvironmentError` or `HostError` if there is none or it is not valid.
  package func run(on host: Host) throws -> Result {
    let part = try CommandLine.base(of: host.files)
    return Result(line: part.text, path: part.path)
  }
}

/// The command line and kernel release in an image made by any program.
struct EmbeddedCommandLine {
  /// The content of `.cmdline`; nil without such a section.
  let line: String?
  /// The content of `.uname`; nil without such a section.
  let kernelRelease: String?

  private static let sizeLimit = 1 << 16

  /// Throws `HostError` or `ParseError` if the image cannot be read or is malformed.
  init(readingFrom file: File) throws {
    let header = try PEHeader(parsing: file)
    func text(_ name: String) throws -> String? {
      guard let range = header.section(named: name)?.contentRange else { return nil }
      guard range.count <= Self.sizeLimit else {
        throw Failure("\(file.path): section \(name) has \(range.count) bytes, more than 64 KiB")
      }
      let bytes = try file.readBytes(at: range.lowerBound, count: range.count, format: name)
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    line = try text(SectionName.commandLine)
    kernelRelease = try text(SectionName.uname)
  }
}
