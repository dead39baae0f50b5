// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import RepositoryTrust

/// Repacks one package: checks its origin, signs its files, writes the new package and reports.
struct PackageRepacker {
  var options: Repack
  let signatures: any SignatureSource
  let digests: ModuleDigests
  let host: Host
  let workers: Int
  /// The input that each output path belongs to, shared by all packages of a call.
  let claimed: Guarded<[String: String]>
  /// Shared by all packages of a call.
  let memory: RepackMemory

  func run(_ input: PackageInput) throws -> PackageReport {
    let trust = try options.trust.establish(for: input.trustIdentity, on: host)
    let name = try PackageName(input.identity, naming: options.naming, suffix: options.versionSuffix)
    let output = "\(options.outputDirectory)/\(name.fileName(input.identity.architecture))"
    try requireFree(output, input: input.file)
    try claim(output, for: input.path)

    let spool = try host.userFiles.spoolFile(in: options.outputDirectory)
    let signer = FileSigner(
      signatures: signatures, images: options.images, modules: options.modules, digests: digests,
      memory: memory.files)
    let provenance = ProvenanceWriter(
      input: input, name: name, signatures: signatures, toolVersion: options.toolVersion)
    let rewriter = DataRewriter(options: options, input: input, workers: workers, spool: spool, memory: memory)
    let (data, editor) = try rewriter.run { aliases in
      DataEditor(
        signer: signer, name: name, sums: input.control.sums, checksAll: options.checksContents, workers: workers,
        aliases: aliases)
    } addFiles: { editor, end in
      try requireChanges(editor)
      return try provenance.add(to: &editor, at: end)
    }
    let control = try rewriteControl(
      of: input, name: name, editor: editor, provenance: data.provenance, spool: spool)
    let written = try PackageOutput(
      input: input, control: control, data: data.member, dataCompression: data.compression, spool: spool
    ).write(to: output, in: host.userFiles)
    return PackageReport(
      input: .init(
        path: input.path, package: name.old, version: name.oldVersion, size: input.file.count, sha256: input.sha256),
      output: .init(
        path: output, package: name.new, version: name.newVersion, size: written.size, sha256: written.sha256),
      architecture: input.identity.architecture, trust: trust, signer: signatures.signer,
      certificateFingerprint: try signatures.certificateFingerprint(), changes: editor.changes,
      provenancePath: data.provenance?.path.description, packing: data.packing,
      notes: notes(on: input, name: name, editor: editor, data: data, trust: trust))
  }

  /// Throws `Failure` if the output is the input file, even by another path or link.
  private func requireFree(_ output: String, input: File) throws {
    guard let status = try host.userFiles.status(of: output) else { return }
    guard !status.isSameFile(as: input.status) else {
      throw Failure("\(output) is also an input", hint: "specify another directory with -o")
    }
  }

  /// Throws `Failure` if another input has the same output.
  private func claim(_ output: String, for input: String) throws {
    let other = claimed.withLock { claimed in
      defer { claimed[output] = claimed[output] ?? input }
      return claimed[output]
    }
    if let other {
      throw Failure(
        "\(input): \(output) is already the output for \(other)",
        hint: "specify each package only once, or repack the packages one by one")
    }
  }

  /// The package has no file that may be signed.
  struct NoKernelFiles: HintedError {
    /// Whether modules were to be signed.
    var includesModules: Bool
    /// Whether the package has modules.
    var hasModules: Bool

    var message: Message {
      includesModules ? "it contains no kernel image and no modules" : "it contains no kernel image"
    }
    var hint: Message? {
      hasModules
        ? "to sign its modules, use --sign-modules or --resign-modules"
        : "specify the packages with the kernel files, such as proxmox-kernel-* or linux-binary-*"
    }
  }

  private func requireChanges(_ editor: DataEditor) throws {
    if options.checksContents { try editor.requireListedFiles() }
    if let path = signatures.paths.first(where: { !isFile($0, in: editor.scan) }) {
      throw Failure(
        "\(path) has a signature, but it is missing from the package or not a regular file",
        hint: "create the signatures from exactly this package")
    }
    guard editor.changes.isEmpty else { return }
    if editor.imageCount + editor.moduleCount == 0 {
      let hasModules = editor.scan.entryKinds.keys.contains { KernelFiles.kind(of: $0) == .module }
      if case .none = options.modules { throw NoKernelFiles(includesModules: false, hasModules: hasModules) }
      throw NoKernelFiles(includesModules: true, hasModules: false)
    }
    throw Failure(
      "nothing to sign: everything that can be signed already has a signature",
      hint: "use the package unchanged, or replace the signatures with --signature replace or --resign-modules")
  }

  private func isFile(_ path: ArchivePath, in scan: DataScan) -> Bool {
    switch scan.entryKinds[path] {
    case .file, .hardLink, .symbolicLink: true
    default: false
    }
  }

  private func rewriteControl(
    of input: PackageInput, name: PackageName, editor: DataEditor, provenance: AddedFiles?, spool: SpoolFile
  ) throws -> RewrittenMember {
    var sums = input.control.sums
    for change in editor.changes {
      for name in change.names where sums.digest(of: name) != nil { sums.set(name, to: change.new.md5) }
    }
    sums.rename(editor.renamed)
    if let provenance { sums.set(provenance.path, to: provenance.md5) }
    let growth = editor.changes.reduce(provenance?.kibibytes ?? 0) { $0 + $1.new.kibibytes - $1.old.kibibytes }
    let stanza = try input.control.stanza.repacked(as: name, growth: growth, signer: signatures.signer)
    let edits = try input.control.edits(stanza: stanza, sums: sums)
    let archive = input.layout.control
    if archive.compression == .xz {
      var rewriter = try XZMemberRewriter(input.file, member: archive.member.contentRange, workers: 1, spool: spool)
      return try rewriter.finish(edits)
    }
    var result = RewrittenMember()
    try result.spool(to: spool) { file in
      let packer = try MemberPacker(archive.compression, to: file, workers: 1)
      var stream = StreamEditor(edits)
      try input.control.text.withUnsafeBytes { try stream.pass($0) { try packer.write($0) } }
      try stream.finish { try packer.write($0) }
      try packer.finish()
    }
    return result
  }

  private func notes(
    on input: PackageInput, name: PackageName, editor: DataEditor, data: DataRewriter.Result, trust: TrustFinding
  ) -> [Message] {
    var notes = [trust.warning, name.warning, signatures.note].compactMap { $0 }
    let replaced = editor.changes.filter { $0.kind.replacesModuleSignature }.count
    if replaced > 0 {
      notes.append(
        "replaced the signatures of \(replaced) modules: a host loads these only if it trusts the new key")
    }
    if data.provenance == nil {
      notes.append("provenance file skipped: the package's directory in /usr/share/doc is a symbolic link")
    }
    if input.layout.members.contains(where: { $0.name.hasPrefix("_gpg") }) {
      notes.append("the signature of the whole package was dropped, because repacking invalidates it")
    }
    return notes
  }
}

extension FileChange.Kind {
  fileprivate var replacesModuleSignature: Bool {
    if case .module(_, let replaced) = self { return replaced }
    return false
  }
}
