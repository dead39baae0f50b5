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
    """Writes the variables that an operating system would see after that boot, or `given` ones, to efivars, and with
    shim's table, if there is one, to efivars-and-table. `instead` has other values of some. Returns whether there are
    variables."""
    variables, table = dumped(log)
    variables = variables or given
    if not variables:
        return False
    places = [directory + "/efivars"] + [directory + "/efivars-and-table"] * bool(table)
    wanted = re.compile(r"SecureBoot|SetupMode|AuditMode|DeployedMode|PK|KEK|db[xt]?|(Mok|Sbat|HSI).*")
    for place in places:
        os.makedirs(place)
        for name, vendor, attributes, data in variables:
            if attributes & 4 and wanted.fullmatch(name):
                with open("%s/%s-%s" % (place, name, vendor), "wb") as file:
                    file.write(struct.pack("<I", attributes) + instead.get(name, data))
    for name, data in table:
        os.makedirs(places[1] + "/mok-variables", exist_ok=True)
        with open("%s/mok-variables/%s" % (places[1], name), "wb") as file:
            file.write(instead.get(name, data))
    return True
