# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""Parts of packages that ordinary tools do not build: tar entries, control archives and ar archives."""
import hashlib
import tarfile


def entry(name, kind=tarfile.REGTYPE, content=b"", link="", size=None):
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.mtime = kind, link, 1700000000
    header.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    header.uname = header.gname = "root"
    header.size = len(content) if size is None else size
    return header, content


def tar(entries, end=True):
    data = b"".join(header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512) for header, content in entries)
    return data + bytes(1024 if end else 0)


def directories(*names):
    return [entry(name, tarfile.DIRTYPE) for name in names]


def control(data, fields="", md5sums=None, extra=()):
    stanza = f"Package: proxmox-kernel-6.1.0\nVersion: 1-1\nArchitecture: amd64\nMaintainer: a <a@example.org>\n{fields}" \
        "Installed-Size: 100\nDescription: none\n"
    sums = md5sums
    if sums is None:
        sums = "".join(f"{hashlib.md5(content).hexdigest()}  {header.name[2:]}\n" for header, content in
                       sorted(data, key=lambda pair: pair[0].name) if header.isreg())
    return [*directories("./"), entry("./control", content=stanza.encode()),
            entry("./md5sums", content=sums.encode()), *extra]


def ar(members):
    archive = b"!<arch>\n"
    for name, content, *size in members:
        length = str(size[0]) if size else str(len(content))
        archive += f"{name:16}{1700000000:<12}{0:<6}{0:<6}{100644:<8}{length:10}`\n".encode() + content
        archive += b"\n" * (len(content) % 2)
    return archive
