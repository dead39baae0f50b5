// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// The documents as `docs/json.md` describes them.
///
/// If an intended change makes a test fail here, update that page, and increase the schema number if a member is removed
/// or changes its meaning.
enum Golden {
  static let applyDryRun = #"""
    {
      "boot_entries": [],
      "dry_run": true,
      "failures": [],
      "images": [
        {
          "kernel": "6.8.12-9-pve",
          "name": "EFI/Linux/pve-6.8.12-9-pve.efi",
          "partition": "/boot/efi",
          "state": "signed"
        }
      ],
      "loaders": [],
      "mended": [],
      "module_signing": [],
      "notes": [],
      "obstacle": null,
      "plan": {
        "boot_entries": [],
        "chain": "direct",
        "kernels": [
          {
            "image": "to-be-made",
            "kernel": "6.8.12-9-pve",
            "reasons": [
              "newest"
            ]
          }
        ],
        "partitions": [
          {
            "free_bytes": 0,
            "name": "/boot/efi",
            "shortages": [],
            "steps": [
              {
                "action": "write",
                "keeps_previous": false,
                "path": "/EFI/Linux/pve-6.8.12-9-pve.efi",
                "reason": null
              }
            ]
          }
        ]
      },
      "schema": 1,
      "unstaged": []
    }
    """#

  static let apply = #"""
    {
      "boot_entries": [],
      "dry_run": false,
      "failures": [],
      "images": [
        {
          "kernel": "6.8.12-9-pve",
          "name": "EFI/Linux/pve-6.8.12-9-pve.efi",
          "partition": "/boot/efi",
          "state": "signed"
        }
      ],
      "loaders": [],
      "mended": [],
      "module_signing": [],
      "notes": [],
      "obstacle": null,
      "plan": {
        "boot_entries": [],
        "chain": "direct",
        "kernels": [
          {
            "image": "to-be-made",
            "kernel": "6.8.12-9-pve",
            "reasons": [
              "newest"
            ]
          }
        ],
        "partitions": [
          {
            "free_bytes": 0,
            "name": "/boot/efi",
            "shortages": [],
            "steps": [
              {
                "action": "write",
                "keeps_previous": false,
                "path": "/EFI/Linux/pve-6.8.12-9-pve.efi",
                "reason": null
              }
            ]
          }
        ]
      },
      "schema": 1,
      "unstaged": []
    }
    """#

  static let applySkipped = #"""
    {
      "boot_entries": [],
      "dry_run": false,
      "failures": [],
      "images": [],
      "loaders": [],
      "mended": [],
      "module_signing": [],
      "notes": [],
      "obstacle": "disabled",
      "plan": null,
      "schema": 1,
      "unstaged": []
    }
    """#

  static let applySkipReason = #"""
    {
      "obstacle": "disabled",
      "schema": 1
    }
    """#

  static let status = #"""
    {
      "boot_entries": null,
      "boot_paths": [
        {
          "current": true,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\proxmox\\shimx64.efi",
          "kind": "entry",
          "label": "proxmox",
          "leads_to_uki": false,
          "menu": [],
          "outcome": "unknown",
          "outcome_if_enforced": "unknown",
          "own": false,
          "path": "Boot0002",
          "steps": [
            {
              "file": "/EFI/proxmox/shimx64.efi",
              "note": null,
              "partition": "11112222-0000-3333-4444-555566667777",
              "program": "unknown",
              "reason": "*",
              "verdict": "unknown"
            }
          ]
        },
        {
          "current": false,
          "device_path": null,
          "kind": "entry",
          "label": null,
          "leads_to_uki": false,
          "menu": [],
          "outcome": "broken",
          "outcome_if_enforced": "broken",
          "own": false,
          "path": "Boot0009",
          "steps": [
            {
              "file": null,
              "note": null,
              "partition": null,
              "program": "unknown",
              "reason": "*",
              "verdict": "missing"
            }
          ]
        },
        {
          "current": false,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\Linux\\pve-6.8.12-9-pve.efi",
          "kind": "entry",
          "label": "Proxmox VE 6.8.12-9-pve",
          "leads_to_uki": false,
          "menu": [],
          "outcome": "unknown",
          "outcome_if_enforced": "unknown",
          "own": false,
          "path": "Boot0001",
          "steps": [
            {
              "file": "/EFI/Linux/pve-6.8.12-9-pve.efi",
              "note": null,
              "partition": "11112222-0000-3333-4444-555566667777",
              "program": "unknown",
              "reason": "*",
              "verdict": "unknown"
            }
          ]
        }
      ],
      "boots": [],
      "certificate": "CN = Test db",
      "certificate_end": "*",
      "chain": "direct",
      "findings": [
        {
          "actions": [
            {
              "advice": "*"
            }
          ],
          "arguments": {},
          "kind": "uki-unbuildable",
          "message": "*",
          "severity": "failure"
        },
        {
          "actions": [
            {
              "command": "pve-sb-uki boot forget Boot0009"
            }
          ],
          "arguments": {
            "entry": "Boot0009",
            "file": null,
            "partition": null,
            "path": "Boot0009"
          },
          "kind": "boot-path-broken",
          "message": "*",
          "severity": "attention"
        }
      ],
      "healthy": false,
      "ignored_times": [],
      "kernels": [
        {
          "images": [
            {
              "partition": "/boot/efi",
              "state": "unusable"
            }
          ],
          "kernel": "6.8.12-9-pve",
          "reasons": [
            "newest"
          ],
          "running": false
        }
      ],
      "last_failure": null,
      "lockdown": null,
      "modules": [
        {
          "kernel": "6.8.12-9-pve",
          "module": "example",
          "path": "/lib/modules/6.8.12-9-pve/updates/dkms/example.ko",
          "signature": "unsigned",
          "signer": null,
          "trusted": false
        }
      ],
      "next": "*",
      "notes": [],
      "obstacle": null,
      "partitions": [
        {
          "free_bytes": 0,
          "name": "/boot/efi",
          "problem": null
        }
      ],
      "problems": [
        {
          "hint": "*",
          "problem": "*"
        },
        {
          "hint": "*",
          "problem": "*"
        }
      ],
      "reboot": {
        "answer": "unsafe",
        "reason": "*"
      },
      "schema": 1,
      "secure_boot": null,
      "state": "not-enrolled",
      "trust_reason": null,
      "trusted": null,
      "uki_sizes": []
    }
    """#

  static let build = #"""
    {
      "authenticode": "*",
      "notes": [],
      "path": "ROOT/a.efi",
      "schema": 1,
      "signer": "CN = Test db",
      "size": 0,
      "uname": "6.8.12-9-pve"
    }
    """#

  static let sign = #"""
    {
      "notes": [],
      "path": "ROOT/stub.efi",
      "schema": 1,
      "signatures_after": 1,
      "signatures_before": 0,
      "signer": "CN = Test db",
      "written": true
    }
    """#

  static let verify = #"""
    {
      "enforced": null,
      "images": [
        {
          "accepted": true,
          "path": "ROOT/stub.efi",
          "reason": "*",
          "signatures": [
            {
              "digest": "sha256",
              "fingerprint_sha256": "*",
              "issuer": "CN = Test db",
              "key": "RSA 2048",
              "nested": [],
              "not_after": "*",
              "reason": null,
              "subject": "CN = Test db",
              "timestamp": null,
              "timestamp_signer": null,
              "trusted_by": "CN = Test db",
              "verdict": "valid"
            }
          ],
          "verdict": "starts",
          "via": "firmware"
        }
      ],
      "notes": [],
      "schema": 1
    }
    """#

  static let inspect = #"""
    {
      "authenticode": {
        "sha1": "*",
        "sha256": "*"
      },
      "certificate_table_damage": null,
      "checksum": 0,
      "initrd_compression": null,
      "machine": "x86-64",
      "nx_compatible": true,
      "path": "ROOT/stub.efi",
      "schema": 1,
      "sections": [
        {
          "characteristics": 0,
          "file_offset": 0,
          "name": ".text",
          "raw_size": 0,
          "sha256": "*",
          "size": 0,
          "text": null,
          "virtual_address": 0
        }
      ],
      "signatures": [
        {
          "digest": "sha256",
          "fingerprint_sha256": "*",
          "issuer": "CN = Test db",
          "key": "RSA 2048",
          "nested": [],
          "not_after": "*",
          "reason": null,
          "subject": "CN = Test db",
          "timestamp": null,
          "timestamp_signer": null,
          "trusted_by": null,
          "verdict": "valid"
        }
      ],
      "size": 0,
      "sizes": null,
      "stub": "*",
      "uki": false
    }
    """#

  static let keysCreate = #"""
    {
      "created": true,
      "keys": {
        "directory": "ROOT/etc/pve-sb-uki/keys",
        "keys": [
          {
            "certificate": "ROOT/etc/pve-sb-uki/keys/PK.crt",
            "fingerprint_sha256": "*",
            "key": "RSA 2048",
            "not_after": "*",
            "not_before": "*",
            "private_key": "ROOT/etc/pve-sb-uki/keys/PK.key",
            "role": "PK",
            "subject": "CN = Test PK"
          },
          {
            "certificate": "ROOT/etc/pve-sb-uki/keys/KEK.crt",
            "fingerprint_sha256": "*",
            "key": "RSA 2048",
            "not_after": "*",
            "not_before": "*",
            "private_key": "ROOT/etc/pve-sb-uki/keys/KEK.key",
            "role": "KEK",
            "subject": "CN = Test KEK"
          },
          {
            "certificate": "ROOT/etc/pve-sb-uki/keys/db.crt",
            "fingerprint_sha256": "*",
            "key": "RSA 2048",
            "not_after": "*",
            "not_before": "*",
            "private_key": "ROOT/etc/pve-sb-uki/keys/db.key",
            "role": "db",
            "subject": "CN = Test db"
          }
        ],
        "owner": "11112222-3333-4444-5555-666677778888",
        "warnings": []
      },
      "schema": 1
    }
    """#

  static let keysList = #"""
    {
      "directory": "ROOT/etc/pve-sb-uki/keys",
      "keys": [
        {
          "certificate": "ROOT/etc/pve-sb-uki/keys/PK.crt",
          "fingerprint_sha256": "*",
          "key": "RSA 2048",
          "not_after": "*",
          "not_before": "*",
          "private_key": "ROOT/etc/pve-sb-uki/keys/PK.key",
          "role": "PK",
          "subject": "CN = Test PK"
        },
        {
          "certificate": "ROOT/etc/pve-sb-uki/keys/KEK.crt",
          "fingerprint_sha256": "*",
          "key": "RSA 2048",
          "not_after": "*",
          "not_before": "*",
          "private_key": "ROOT/etc/pve-sb-uki/keys/KEK.key",
          "role": "KEK",
          "subject": "CN = Test KEK"
        },
        {
          "certificate": "ROOT/etc/pve-sb-uki/keys/db.crt",
          "fingerprint_sha256": "*",
          "key": "RSA 2048",
          "not_after": "*",
          "not_before": "*",
          "private_key": "ROOT/etc/pve-sb-uki/keys/db.key",
          "role": "db",
          "subject": "CN = Test db"
        }
      ],
      "owner": "11112222-3333-4444-5555-666677778888",
      "schema": 1,
      "warnings": []
    }
    """#

  static let enrollStage = #"""
    {
      "dry_run": false,
      "failures": [],
      "lists": [
        {
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test KEK",
              "origin": "own"
            }
          ],
          "name": "KEK"
        },
        {
          "entries": [
            {
              "fingerprint_sha256": "*",
              "name": "CN = Test db",
              "origin": "own"
            }
          ],
          "name": "db"
        }
      ],
      "next_command": "systemctl reboot",
      "notes": [
        "*"
      ],
      "partitions": [
        {
          "name": "/boot/efi",
          "unchanged": 0,
          "written": [
            "EFI/pve-sb-uki/db.cer",
            "EFI/pve-sb-uki/KEK.cer",
            "EFI/pve-sb-uki/PK.cer",
            "EFI/pve-sb-uki/db.esl",
            "EFI/pve-sb-uki/KEK.esl",
            "EFI/pve-sb-uki/PK.esl",
            "EFI/pve-sb-uki/db.auth",
            "EFI/pve-sb-uki/KEK.auth",
            "EFI/pve-sb-uki/PK.auth"
          ]
        }
      ],
      "schema": 1,
      "steps": [
        "Press the key for the firmware's menu while it starts, often Del, F2 or F10.",
        "Enrol db, then KEK, then PK, from EFI/pve-sb-uki on the ESP: the .auth files, or the .cer files if it rejects those.",
        "Turn Secure Boot on, and save."
      ]
    }
    """#

  static let keysUnstage = #"""
    {
      "dry_run": false,
      "failures": [],
      "partitions": [
        {
          "ends_enrolment": false,
          "name": "/boot/efi",
          "removed": [
            "EFI/pve-sb-uki/KEK.auth",
            "EFI/pve-sb-uki/KEK.cer",
            "EFI/pve-sb-uki/KEK.esl",
            "EFI/pve-sb-uki/PK.auth",
            "EFI/pve-sb-uki/PK.cer",
            "EFI/pve-sb-uki/PK.esl",
            "EFI/pve-sb-uki/db.auth",
            "EFI/pve-sb-uki/db.cer",
            "EFI/pve-sb-uki/db.esl"
          ]
        }
      ],
      "schema": 1
    }
    """#

  static let keysListFirmware = #"""
    {
      "lists": [
        {
          "certificates": [
            {
              "fingerprint_sha256": "*",
              "not_after": "*",
              "owner": "11112222-3333-4444-5555-666677778888",
              "owner_name": "this host",
              "public_test_key": false,
              "subject": "CN = Test PK",
              "yours": true
            }
          ],
          "damage": [],
          "digests": {},
          "name": "PK",
          "present": true
        },
        {
          "certificates": [
            {
              "fingerprint_sha256": "*",
              "not_after": "*",
              "owner": "11112222-3333-4444-5555-666677778888",
              "owner_name": "this host",
              "public_test_key": false,
              "subject": "CN = Test KEK",
              "yours": true
            }
          ],
          "damage": [],
          "digests": {},
          "name": "KEK",
          "present": true
        },
        {
          "certificates": [
            {
              "fingerprint_sha256": "*",
              "not_after": "*",
              "owner": "11112222-3333-4444-5555-666677778888",
              "owner_name": "this host",
              "public_test_key": false,
              "subject": "CN = Test db",
              "yours": true
            }
          ],
          "damage": [],
          "digests": {},
          "name": "db",
          "present": true
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "dbx",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "dbt",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokList",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokListX",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokNew",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokDel",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokXNew",
          "present": false
        },
        {
          "certificates": [],
          "damage": [],
          "digests": {},
          "name": "MokXDel",
          "present": false
        }
      ],
      "schema": 1,
      "secure_boot": false,
      "setup_mode": true
    }
    """#

  static let keysExport = #"""
    {
      "files": [
        {
          "path": "ROOT/public/PK.crt",
          "written": true
        },
        {
          "path": "ROOT/public/PK.cer",
          "written": true
        },
        {
          "path": "ROOT/public/PK.der",
          "written": true
        },
        {
          "path": "ROOT/public/PK.esl",
          "written": true
        },
        {
          "path": "ROOT/public/KEK.crt",
          "written": true
        },
        {
          "path": "ROOT/public/KEK.cer",
          "written": true
        },
        {
          "path": "ROOT/public/KEK.der",
          "written": true
        },
        {
          "path": "ROOT/public/KEK.esl",
          "written": true
        },
        {
          "path": "ROOT/public/db.crt",
          "written": true
        },
        {
          "path": "ROOT/public/db.cer",
          "written": true
        },
        {
          "path": "ROOT/public/db.der",
          "written": true
        },
        {
          "path": "ROOT/public/db.esl",
          "written": true
        },
        {
          "path": "ROOT/public/redfish-db.json",
          "written": true
        },
        {
          "path": "ROOT/public/redfish-KEK.json",
          "written": true
        },
        {
          "path": "ROOT/public/redfish-PK.json",
          "written": true
        },
        {
          "path": "ROOT/public/redfish-README.txt",
          "written": true
        },
        {
          "path": "ROOT/public/PK.auth",
          "written": true
        },
        {
          "path": "ROOT/public/KEK.auth",
          "written": true
        },
        {
          "path": "ROOT/public/db.auth",
          "written": true
        }
      ],
      "notes": [],
      "schema": 1
    }
    """#

  static let bootList = #"""
    {
      "entries": [
        {
          "active": true,
          "current": true,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\proxmox\\shimx64.efi",
          "entry": "Boot0002",
          "exists": true,
          "label": "proxmox",
          "next": false,
          "owner": "foreign",
          "partition": "11112222-0000-3333-4444-555566667777",
          "path": "/EFI/proxmox/shimx64.efi",
          "place": 1
        },
        {
          "active": false,
          "current": false,
          "device_path": null,
          "entry": "Boot0009",
          "exists": false,
          "label": null,
          "next": false,
          "owner": "foreign",
          "partition": null,
          "path": null,
          "place": 2
        },
        {
          "active": true,
          "current": false,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\Linux\\pve-6.8.12-9-pve.efi",
          "entry": "Boot0001",
          "exists": true,
          "label": "Proxmox VE 6.8.12-9-pve",
          "next": false,
          "owner": "ours",
          "partition": "11112222-0000-3333-4444-555566667777",
          "path": "/EFI/Linux/pve-6.8.12-9-pve.efi",
          "place": 3
        }
      ],
      "problems": [],
      "schema": 1
    }
    """#

  static let bootCheck = #"""
    {
      "command": "pve-sb-uki boot forget Boot0009",
      "findings": [
        {
          "actions": [
            {
              "advice": "*"
            }
          ],
          "arguments": {
            "entry": "Boot0002",
            "file": "/EFI/proxmox/shimx64.efi",
            "partition": "11112222-0000-3333-4444-555566667777",
            "path": "Boot0002"
          },
          "kind": "boot-path-broken",
          "message": "*",
          "severity": "attention"
        },
        {
          "actions": [
            {
              "command": "pve-sb-uki boot forget Boot0009"
            }
          ],
          "arguments": {
            "entry": "Boot0009",
            "file": null,
            "partition": null,
            "path": "Boot0009"
          },
          "kind": "boot-path-broken",
          "message": "*",
          "severity": "attention"
        }
      ],
      "next": "Boot0001",
      "paths": [
        {
          "current": true,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\proxmox\\shimx64.efi",
          "kind": "entry",
          "label": "proxmox",
          "leads_to_uki": false,
          "menu": [],
          "outcome": "broken",
          "outcome_if_enforced": "broken",
          "own": false,
          "path": "Boot0002",
          "steps": [
            {
              "file": "/EFI/proxmox/shimx64.efi",
              "note": null,
              "partition": "11112222-0000-3333-4444-555566667777",
              "program": "unknown",
              "reason": "*",
              "verdict": "missing"
            }
          ]
        },
        {
          "current": false,
          "device_path": null,
          "kind": "entry",
          "label": null,
          "leads_to_uki": false,
          "menu": [],
          "outcome": "broken",
          "outcome_if_enforced": "broken",
          "own": false,
          "path": "Boot0009",
          "steps": [
            {
              "file": null,
              "note": null,
              "partition": null,
              "program": "unknown",
              "reason": "*",
              "verdict": "missing"
            }
          ]
        },
        {
          "current": false,
          "device_path": "HD(2,GPT,11112222-0000-3333-4444-555566667777,0x800,0x100000)/\\EFI\\Linux\\pve-6.8.12-9-pve.efi",
          "kind": "entry",
          "label": "Proxmox VE 6.8.12-9-pve",
          "leads_to_uki": false,
          "menu": [],
          "outcome": "starts",
          "outcome_if_enforced": "starts",
          "own": false,
          "path": "Boot0001",
          "steps": [
            {
              "file": "/EFI/Linux/pve-6.8.12-9-pve.efi",
              "note": null,
              "partition": "11112222-0000-3333-4444-555566667777",
              "program": "unknown",
              "reason": "*",
              "verdict": "starts"
            }
          ]
        }
      ],
      "preparations": [],
      "schema": 1,
      "secure_boot_enforced": false
    }
    """#

  static let bootPrefer = #"""
    {
      "changed": false,
      "entry": "Boot0002",
      "schema": 1
    }
    """#

  static let bootForget = #"""
    {
      "dry_run": false,
      "failures": [],
      "forgotten": [
        "Boot0001"
      ],
      "kept": [],
      "schema": 1
    }
    """#

  static let bootRetire = #"""
    {
      "dry_run": true,
      "kernels": [],
      "notes": [],
      "schema": 1,
      "secure_boot": false,
      "steps": []
    }
    """#

  static let cmdlineShow = #"""
    {
      "configured": [
        {
          "errors": [],
          "files": [
            "/etc/kernel/cmdline"
          ],
          "kernel": null,
          "line": "root=/dev/mapper/pve-root ro",
          "warnings": []
        }
      ],
      "images": [],
      "problems": [],
      "running": null,
      "schema": 1
    }
    """#

  static let cmdlineBase = #"""
    {
      "line": "root=/dev/mapper/pve-root ro",
      "path": "/etc/kernel/cmdline",
      "schema": 1
    }
    """#

  static let cmdlineSet = #"""
    {
      "apply": null,
      "changed": true,
      "difference": {
        "added": [
          "quiet"
        ],
        "missing": [
          "ro"
        ],
        "reordered": false
      },
      "dry_run": true,
      "errors": [],
      "new": "root=/dev/mapper/pve-root quiet",
      "old": "root=/dev/mapper/pve-root ro",
      "path": "/etc/kernel/cmdline",
      "schema": 1,
      "warnings": []
    }
    """#

  static let configList = #"""
    {
      "schema": 1,
      "settings": [
        {
          "key": "Enabled",
          "line": null,
          "path": null,
          "source": "default",
          "value": "yes"
        },
        {
          "key": "Strict",
          "line": null,
          "path": null,
          "source": "default",
          "value": "no"
        },
        {
          "key": "Keep",
          "line": null,
          "path": null,
          "source": "default",
          "value": "0"
        },
        {
          "key": "KeyDirectory",
          "line": null,
          "path": null,
          "source": "default",
          "value": "/etc/pve-sb-uki/keys"
        },
        {
          "key": "Key",
          "line": null,
          "path": null,
          "source": "default",
          "value": "/etc/pve-sb-uki/keys/db.key"
        },
        {
          "key": "Certificate",
          "line": null,
          "path": null,
          "source": "default",
          "value": "/etc/pve-sb-uki/keys/db.crt"
        },
        {
          "key": "PassphraseFile",
          "line": null,
          "path": null,
          "source": "default",
          "value": ""
        },
        {
          "key": "Esp",
          "line": 2,
          "path": "/etc/pve-sb-uki/pve-sb-uki.conf",
          "source": "file",
          "value": "/boot/efi"
        },
        {
          "key": "Chain",
          "line": null,
          "path": null,
          "source": "default",
          "value": "auto"
        },
        {
          "key": "Removable",
          "line": null,
          "path": null,
          "source": "default",
          "value": "no"
        },
        {
          "key": "Type1",
          "line": null,
          "path": null,
          "source": "default",
          "value": "keep"
        },
        {
          "key": "Dkms",
          "line": null,
          "path": null,
          "source": "default",
          "value": "no"
        },
        {
          "key": "Promotion",
          "line": null,
          "path": null,
          "source": "default",
          "value": "immediate"
        },
        {
          "key": "ConfirmUnits",
          "line": null,
          "path": null,
          "source": "default",
          "value": ""
        },
        {
          "key": "ConfirmSeconds",
          "line": null,
          "path": null,
          "source": "default",
          "value": "30"
        },
        {
          "key": "TrialSeconds",
          "line": null,
          "path": null,
          "source": "default",
          "value": "900"
        },
        {
          "key": "Watchdog",
          "line": null,
          "path": null,
          "source": "default",
          "value": ""
        },
        {
          "key": "Splash",
          "line": null,
          "path": null,
          "source": "default",
          "value": ""
        },
        {
          "key": "SecureBoot",
          "line": null,
          "path": null,
          "source": "default",
          "value": "required"
        }
      ]
    }
    """#

  static let configGet = #"""
    {
      "key": "Esp",
      "line": 2,
      "path": "/etc/pve-sb-uki/pve-sb-uki.conf",
      "schema": 1,
      "source": "file",
      "value": "/boot/efi"
    }
    """#

  static let configSet = #"""
    {
      "changed": true,
      "key": "Keep",
      "new": "3",
      "old": "0",
      "outweighed_by": null,
      "path": "/etc/pve-sb-uki/pve-sb-uki.conf",
      "schema": 1
    }
    """#

  static let configSetSeveral = #"""
    {
      "schema": 1,
      "settings": [
        {
          "changed": false,
          "key": "Keep",
          "new": "3",
          "old": "3",
          "outweighed_by": null,
          "path": "/etc/pve-sb-uki/pve-sb-uki.conf"
        },
        {
          "changed": true,
          "key": "Strict",
          "new": "yes",
          "old": "no",
          "outweighed_by": null,
          "path": "/etc/pve-sb-uki/pve-sb-uki.conf"
        }
      ]
    }
    """#

  static let configOutweighed = #"""
    {
      "changed": true,
      "key": "Keep",
      "new": "4",
      "old": "4",
      "outweighed_by": {
        "key": "Keep",
        "line": 1,
        "path": "/etc/pve-sb-uki/pve-sb-uki.conf.d/a.conf",
        "source": "drop-in",
        "value": "4"
      },
      "path": "/etc/pve-sb-uki/pve-sb-uki.conf",
      "schema": 1
    }
    """#

  static let repack = #"""
    {
      "packages": [
        {
          "architecture": "amd64",
          "files": [
            {
              "kind": "image",
              "new": {
                "md5": "*",
                "sha256": "*",
                "size": 0
              },
              "old": {
                "md5": "*",
                "sha256": "*",
                "size": 0
              },
              "path": "boot/vmlinuz-6.8.12-9-pve",
              "position": 1,
              "signatures_after": 1,
              "signatures_before": 0
            }
          ],
          "input": {
            "package": "proxmox-kernel-6.8.12-9-pve",
            "path": "ROOT/a.deb",
            "sha256": "*",
            "size": 0,
            "version": "6.8.12-9"
          },
          "notes": [
            "*"
          ],
          "output": {
            "package": "proxmox-kernel-6.8.12-9-pve",
            "path": "ROOT/out/proxmox-kernel-6.8.12-9-pve_6.8.12-9+0sb1_amd64.deb",
            "sha256": "*",
            "size": 0,
            "version": "6.8.12-9+0sb1"
          },
          "packing": "transcoded",
          "provenance": "usr/share/doc/proxmox-kernel-6.8.12-9-pve/pve-sb-uki-repack.provenance",
          "signer": {
            "certificate_sha256": "*",
            "subject": "CN = Test db"
          },
          "status": "repacked",
          "trust": {
            "kind": "unchecked"
          }
        },
        {
          "error": "*",
          "hint": null,
          "input": {
            "path": "ROOT/none.deb"
          },
          "status": "failed"
        }
      ],
      "schema": 1
    }
    """#

  static let repackVerify = #"""
    {
      "accepted": true,
      "equal_entries": 3,
      "findings": [
        {
          "detail": "*",
          "expected": true,
          "kind": "control-field",
          "subject": "Source"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "control-field",
          "subject": "Version"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "control-field",
          "subject": "Installed-Size"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "control-field",
          "subject": "Description"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "control-field",
          "subject": "Provides"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "image-signature",
          "subject": "boot/vmlinuz-6.8.12-9-pve"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "file-added",
          "subject": "usr"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "file-added",
          "subject": "usr/share"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "file-added",
          "subject": "usr/share/doc"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "file-added",
          "subject": "usr/share/doc/proxmox-kernel-6.8.12-9-pve"
        },
        {
          "detail": "*",
          "expected": true,
          "kind": "file-added",
          "subject": "usr/share/doc/proxmox-kernel-6.8.12-9-pve/pve-sb-uki-repack.provenance"
        }
      ],
      "original": {
        "architecture": "amd64",
        "package": "proxmox-kernel-6.8.12-9-pve",
        "path": "ROOT/a.deb",
        "sha256": "*",
        "version": "6.8.12-9"
      },
      "repacked": {
        "architecture": "amd64",
        "package": "proxmox-kernel-6.8.12-9-pve",
        "path": "ROOT/out/proxmox-kernel-6.8.12-9-pve_6.8.12-9+0sb1_amd64.deb",
        "sha256": "*",
        "version": "6.8.12-9+0sb1"
      },
      "schema": 1
    }
    """#

  static let repackDetached = #"""
    {
      "notes": [],
      "schema": 1,
      "signatures": [
        {
          "file": "boot/vmlinuz-6.8.12-9-pve",
          "package": "proxmox-kernel-6.8.12-9-pve",
          "path": "ROOT/signatures/proxmox-kernel-6.8.12-9-pve/boot/vmlinuz-6.8.12-9-pve.sig",
          "sig_type": "efi"
        }
      ]
    }
    """#

  static let all =
    [
      applyDryRun, apply, applySkipped, applySkipReason, status, build, sign, verify, inspect, keysCreate, keysList,
      keysExport, keysImport, keysBackup, keysRestore, keysMove, enrollStage, keysUnstage, keysListFirmware, bootList,
      bootCheck, bootPrefer, bootForget, bootRetire, cmdlineShow, cmdlineBase, cmdlineSet, configList, configGet,
      configSet, configSetSeveral, configOutweighed, repack, repackVerify, repackDetached,
    ] + enrolment
}
