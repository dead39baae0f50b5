// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension Golden {
  static let enrollDryRun = #"""
    {
      "append": false,
      "boot_paths": [],
      "changed": false,
      "disks": [],
      "dry_run": true,
      "notes": [
        "*",
        "*"
      ],
      "refusals": [],
      "room": null,
      "schema": 1,
      "steps": [
        {
          "bytes": 818,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test db",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "db"
        },
        {
          "bytes": 799,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test KEK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "KEK"
        },
        {
          "bytes": 797,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test PK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "PK"
        }
      ],
      "undo": null
    }
    """#

  static let enrollRefused = #"""
    {
      "append": false,
      "boot_paths": [],
      "changed": false,
      "disks": [],
      "dry_run": false,
      "notes": [
        "*"
      ],
      "refusals": [
        {
          "hint": "*",
          "kind": "lost-option-rom",
          "message": "*",
          "option": "--lose-option-roms"
        }
      ],
      "room": null,
      "schema": 1,
      "steps": [
        {
          "bytes": 818,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test db",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "db"
        },
        {
          "bytes": 799,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test KEK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "KEK"
        },
        {
          "bytes": 797,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test PK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "PK"
        }
      ],
      "undo": null
    }
    """#

  static let enroll = #"""
    {
      "append": false,
      "boot_paths": [],
      "changed": true,
      "disks": [],
      "dry_run": false,
      "notes": [
        "*",
        "*"
      ],
      "refusals": [],
      "room": null,
      "schema": 1,
      "steps": [
        {
          "bytes": 818,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test db",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "db"
        },
        {
          "bytes": 799,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test KEK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "KEK"
        },
        {
          "bytes": 797,
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test PK",
              "origin": "own"
            }
          ],
          "replaces": false,
          "variable": "PK"
        }
      ],
      "undo": "*"
    }
    """#

  /// All documents of `enroll --firmware`.
  static let enrolment = [enrollDryRun, enrollRefused, enroll]
}
