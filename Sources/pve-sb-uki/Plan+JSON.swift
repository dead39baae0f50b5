// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CommandSupport
import Messages
import PveSbUki

extension Plan {
  /// The plan for machines: the kernels in order of precedence, and what is to be done to each partition, in order.
  var json: JSONValue {
    .object([
      "kernels": .array(kernels.map(\.json)), "partitions": .array(partitions.map(\.json)),
      "chain": JSONValue(chain), "boot_entries": JSONValue(entrySteps),
    ])
  }
}

extension Plan.Kernel {
  fileprivate var json: JSONValue {
    .object(["kernel": .string(release), "reasons": JSONValue(reasonNames), "image": .string(imageState)])
  }
}

extension Plan.Partition {
  fileprivate var json: JSONValue {
    .object([
      "name": .string(name), "free_bytes": .integer(free), "steps": .array(steps.map(\.json)),
      "shortages": .array(
        shortages.map { shortage in
          .object([
            "kernel": .string(shortage.kernel), "needed_bytes": .integer(shortage.needed),
            "available_bytes": .integer(shortage.available),
          ])
        }),
    ])
  }
}

extension Plan.Partition.Step {
  fileprivate var json: JSONValue {
    .object([
      "action": .string(action), "path": .string(path), "reason": JSONValue(reason),
      "keeps_previous": JSONValue(keepsPrevious),
    ])
  }
}
