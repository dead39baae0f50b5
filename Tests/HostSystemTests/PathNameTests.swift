// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Testing

@Suite struct PathNameTests {
  @Test(arguments: [
    ("/EFI/Linux/pve.efi", "/EFI/Linux", "pve.efi"), ("/a", "/", "a"), ("a", ".", "a"), ("a/b", "a", "b"),
    ("/", "/", ""), ("", ".", ""), ("//", "/", ""), ("/a/b///", "/a", "b"), ("//a", "/", "a"), ("a//b/c", "a//b", "c"),
    ("a/", ".", "a"), ("/é/ü", "/é", "ü"), ("..", ".", ".."), ("/a/.", "/a", "."),
  ])
  func aPathSplitsIntoDirectoryAndName(_ path: String, _ directory: String, _ name: String) {
    #expect(PathName(path).directory == directory)
    #expect(PathName(path).fileName == name)
    #expect(PathName(path).components.last ?? "" == name)
  }

  @Test func slashesSeparateComponents() {
    #expect(PathName("/EFI//Linux/x.efi/").components == ["EFI", "Linux", "x.efi"])
    #expect(PathName("relative/x").components == ["relative", "x"])
    #expect(PathName("//").components.isEmpty && PathName("").components.isEmpty)
    #expect(PathName("/a/b".dropFirst()).components == ["a", "b"])
  }

  /// U+0301 after the slash belongs to the name, although both are one character in Swift.
  @Test func aSlashBeforeACombiningCharacterSeparates() {
    let path = PathName("/a/\u{301}x")
    #expect(path.components.map { Array($0.utf8) } == [Array("a".utf8), Array("\u{301}x".utf8)])
    #expect(Array(path.fileName.utf8) == Array("\u{301}x".utf8))
    #expect(path.directory == "/a")
    #expect(Array(PathName.join("/a/", "\u{301}x").utf8) == Array("/a/\u{301}x".utf8))
  }

  @Test(arguments: [
    ("/", "x", "/x"), ("/", "/x", "/x"), ("/a", "x/y", "/a/x/y"), ("/a", "/x", "/a/x"), ("/a/", "x", "/a/x"),
    ("/a/", "/x", "/a/x"), ("a", "x", "a/x"), (".", "x", "./x"),
  ])
  func joiningInsertsOneSlash(_ directory: String, _ name: String, _ path: String) {
    #expect(PathName.join(directory, name) == path)
    #expect(PathName.join(directory, name[...]) == path)
  }

  @Test func caseIsFoldedAsOnFAT() {
    #expect(PathName("/EFI/Linux/X.efi").isSameOnFAT(as: PathName("/efi/LINUX/x.EFI")))
    #expect(!PathName("/EFI/a").isSameOnFAT(as: PathName("/EFI/b")))
    #expect(PathName("/EFI/Linux/X.efi").folded.components == ["efi", "linux", "x.efi"])
    #expect(PathName("/EFI") != PathName("/efi") && PathName("/EFI").folded.text == "/efi")
  }

  @Test(arguments: [("/a", true), ("a/b", false), ("", false)])
  func anAbsolutePathStartsWithASlash(_ path: String, _ isAbsolute: Bool) {
    #expect(PathName(path).isAbsolute == isAbsolute)
  }
}
