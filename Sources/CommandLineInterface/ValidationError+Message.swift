// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import ArgumentParser
internal import CommandSupport
package import Messages

extension ValidationError {
  /// Wrong usage that ArgumentParser cannot find by itself, in the user's language.
  package init(saying message: Message) { self.init(message.localText) }
}
