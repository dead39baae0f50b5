# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""What an operating system sees of the variables, from the output of verdict-program."""
import os
import re
import struct
import uuid


def dumped(log):
    """The variables (name, vendor, attributes, data) and the entries of shim's table that the program wrote."""
    variables, table = [], []
    for line in log.split("\n"):
        words = line.split(" ") + [""]
        if words[0] == "variable":
            middle = bytes.fromhex(words[2])
            variables.append((bytes.fromhex(words[1]).decode("utf-16-le").rstrip("\0"), str(uuid.UUID(bytes_le=middle[:16])),
                              struct.unpack("<I", middle[16:])[0], bytes.fromhex(words[3])))
        elif words[0] == "mok":
            table.append((bytes.fromhex(words[1]).decode(), bytes.fromhex(words[3])))
    return variables, table


def publish(directory, log, instead={}, given=()):
    """Writes the variables that an operating system would see after that boot, or `given` ones; `instead` has other values
    of some. Returns whether there are any."""
    variables, table = dumped(log)
    variables = variables or given
    if not variables:
        return False
    os.makedirs(directory + "/efivars")
    wanted = re.compile(r"SecureBoot|SetupMode|AuditMode|DeployedMode|PK|KEK|db[xt]?|(Mok|Sbat|HSI).*")
    for name, vendor, attributes, data in variables:
        if attributes & 4 and wanted.fullmatch(name):
            with open("%s/efivars/%s-%s" % (directory, name, vendor), "wb") as file:
                file.write(struct.pack("<I", attributes) + instead.get(name, data))
    os.makedirs(directory + "/mok-variables")
    for name, data in table:
        with open("%s/mok-variables/%s" % (directory, name), "wb") as file:
            file.write(instead.get(name, data))
    return True
