// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

extension JSONValue {
  /// The object with `"schema": 1` added, as in every document that the commands print.
  ///
  /// The number changes when a member is removed or changes its meaning; docs/json.md describes all documents.
  package var withSchema: JSONValue {
    var members = object ?? ["document": self]
    members["schema"] = 1
    return .object(members)
  }
}
