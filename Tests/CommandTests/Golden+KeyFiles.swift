// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Documents of the commands that bring keys in, keep them safe and move them.
extension Golden {
  static let keysImport = #"""
    {
      "keys": {
        "directory": "ROOT/etc/pve-sb-uki/keys",
        "keys": [
          {
            "certificate": "ROOT/etc/pve-sb-uki/keys/db.crt",
            "fingerprint_sha256": "*",
            "key": "RSA 2048",
            "not_after": "*",
            "not_before": "*",
            "private_key": "ROOT/etc/pve-sb-uki/keys/db.key",
            "role": "db",
            "subject": "CN = Test MOK"
          }
        ],
        "owner": "11112222-3333-4444-5555-666677778888",
        "warnings": []
      },
      "notes": [
        "*"
      ],
      "originals": [
        "ROOT/media/db.key"
      ],
      "schema": 1
    }
    """#

  static let keysBackup = #"""
    {
      "command": "read -rsp 'Passphrase: ' P && openssl cms -decrypt -inform DER -in ROOT/keys.backup -pwri_password \"$P\" | tar -xv",
      "files": [
        "db.key",
        "db.crt",
        "GUID"
      ],
      "notes": [],
      "path": "ROOT/keys.backup",
      "schema": 1
    }
    """#

  static let keysRestore = #"""
    {
      "keys": {
        "directory": "ROOT/etc/pve-sb-uki/keys",
        "keys": [
          {
            "certificate": "ROOT/etc/pve-sb-uki/keys/db.crt",
            "fingerprint_sha256": "*",
            "key": "RSA 2048",
            "not_after": "*",
            "not_before": "*",
            "private_key": "ROOT/etc/pve-sb-uki/keys/db.key",
            "role": "db",
            "subject": "CN = Test MOK"
          }
        ],
        "owner": "11112222-3333-4444-5555-666677778888",
        "warnings": []
      },
      "notes": [],
      "schema": 1
    }
    """#

  static let keysMove = #"""
    {
      "files": [
        "db.key"
      ],
      "notes": [],
      "schema": 1,
      "source": "/etc/pve-sb-uki/keys",
      "target": "/media",
      "warnings": []
    }
    """#
}
