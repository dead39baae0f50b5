// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import DebianArchive
internal import Messages

extension RepackComparison {
  /// Lines of md5sums that are not about changed files have to be as they were, and in their order.
  mutating func compareSums() {
    guard let old = original.sums, let new = repacked.sums else { return }
    let oldPaths = old.paths.map { renamed($0) }
    let known = Set(oldPaths)
    let kept = Set(new.paths)
    for path in oldPaths where !kept.contains(path) { object(.md5sums, path, "its line was left out") }
    // A renamed file's line goes where its new name belongs.
    if newName == nil, new.paths.filter(known.contains) != oldPaths.filter(kept.contains) {
      object(.md5sums, "md5sums", "its lines stand in another order")
    }
  }

  /// Holds a package's files against its own list.
  mutating func checkSums(of package: PackageSurvey, _ whose: Message) {
    guard let sums = package.sums else { return }
    for path in sums.paths {
      guard let md5 = package.md5(of: path) else {
        object(.md5sums, path, "\(whose) md5sums list it, but there is no such file")
        continue
      }
      if sums.digest(of: path) != md5 {
        object(.md5sums, path, "its content is not what \(whose) md5sums say")
      }
    }
  }

  /// Every file that was changed or added has to be listed, if there is a list. Configuration files are not, in neither
  /// package.
  mutating func checkListing() {
    guard let sums = repacked.sums else { return }
    let listed = Set(original.sums?.paths.map { renamed($0) } ?? [])
    let known = Set(original.files.map { renamed($0.entry.path) })
    for file in repacked.files where file.entry.kind == .file && sums.digest(of: file.entry.path) == nil {
      if listed.contains(file.entry.path) || !known.contains(file.entry.path) {
        object(.md5sums, file.entry.path, "the repacked md5sums do not list it")
      }
    }
  }
}
