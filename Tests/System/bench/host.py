# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""The root that commands run in: a running UEFI system with kernels, keys and two unmounted ESPs. See in_uefi_host."""
import glob
import hashlib
import os
import shutil
import subprocess

BENCH = "/bench"
OUT = BENCH + "/out"
KEYS = "/etc/pve-sb-uki/keys"
KEY, CERTIFICATE = KEYS + "/db.key", KEYS + "/db.crt"
STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
CMDLINE = "/etc/kernel/cmdline"
LINE = "root=/dev/mapper/pve-root ro quiet"
VARIABLES = "/sys/firmware/efi/efivars"
GLOBAL, SECURITY = "8be4df61-93ca-11d2-aa0d-00e098032b8c", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
SERIALS = ("1111-AAA1", "2222-AAA2")
RELEASES = tuple("6.12.%d-1-pve" % number for number in range(1, 6))
# Where the inputs are, for the methods that take files.
KERNEL, INITRD, UNAME = BENCH + "/vmlinuz", BENCH + "/initrd", BENCH + "/uname"


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


class Failed(Exception):
    """A command of a scenario failed."""


def quietly(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    if done.returncode:
        raise Failed("%s ended with %d: %s" % (" ".join(command), done.returncode, done.stdout.decode()[-2000:]))


def cpio(name, size, seed):
    """An archive with one file of random bytes, always the same, in pieces. The kernel unpacks it before the next one in
    an initrd."""
    def header(path, mode, length):
        fields = (1, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, len(path) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path.encode() + b"\0"
        return head + bytes(-len(head) % 4)
    yield header(name, 0o100644, size)
    for start in range(0, size, 1 << 24):
        yield hashlib.shake_128(b"%d %d" % (seed, start)).digest(min(1 << 24, size - start))
    yield bytes(-size % 4) + header("TRAILER!!!", 0, 0)


def write_initrd(path, size, seed, then=None):
    """An initrd with that many random bytes, followed by the file `then`."""
    length = 0
    with open(path, "wb") as file:
        for piece in cpio("random", size, seed):
            length += file.write(piece)
        file.write(bytes(-length % 512))
        if then:
            with open(then, "rb") as other:
                shutil.copyfileobj(other, file, 1 << 20)


class Host:
    def __init__(self, esps, products):
        self.esps, self.products = esps, products
        self.settled = None

    def program(self, product, path="usr/sbin/pve-sb-uki"):
        return os.path.join(self.products[product], path)

    def prepare(self):
        """Removes what an earlier run has left, and makes keys, kernels and initrds. The root's own kernel becomes five,
        with initrds that differ."""
        for path in ("/etc/pve-sb-uki", "/var/lib/pve-sb-uki"):
            shutil.rmtree(path, ignore_errors=True)
        for path in glob.glob("/etc/kernel/*") + glob.glob("/boot/*-1-pve"):
            if os.path.isfile(path):
                os.unlink(path)
        os.makedirs("/etc/kernel", exist_ok=True)
        self.line(0)
        first = next(iter(self.products))
        quietly(self.program(first), "keys", "create")
        self.enrol(first)
        own = max(glob.glob("/usr/lib/modules/*-amd64"))
        write(UNAME, os.path.basename(own))
        for index, release in enumerate(RELEASES):
            if not os.path.isdir("/usr/lib/modules/" + release):
                quietly("cp", "-al", own, "/usr/lib/modules/" + release)
            write_initrd("%s/initrd-%s" % (BENCH, release), 4096, index, INITRD)

    def enrol(self, product):
        """Firmware variables as after the enrolment of these keys, with Secure Boot on. A directory replaces efivarfs."""
        quietly(self.program(product), "keys", "export", BENCH + "/export")
        for name, vendor in (("PK", GLOBAL), ("KEK", GLOBAL), ("db", SECURITY)):
            with open("%s/export/%s.esl" % (BENCH, name), "rb") as file:
                # Four bytes of attributes precede the value.
                write("%s/%s-%s" % (VARIABLES, name, vendor), b"\x27\0\0\0" + file.read())
        write("%s/SecureBoot-%s" % (VARIABLES, GLOBAL), b"\x06\0\0\0\1")
        write("%s/SetupMode-%s" % (VARIABLES, GLOBAL), b"\x06\0\0\0\0")

    def line(self, number):
        """Sets one of several command lines."""
        write(CMDLINE, "%s bench=%d\n" % (LINE, number))

    def set_up(self, kernels, esps, initrd=None):
        """This many kernels in /boot, the ESPs of the list, and nothing on them."""
        for path in glob.glob("/boot/*-1-pve"):
            os.unlink(path)
        for release in RELEASES[:kernels]:
            os.link(KERNEL, "/boot/vmlinuz-" + release)
            os.link(initrd or "%s/initrd-%s" % (BENCH, release), "/boot/initrd.img-" + release)
        write("/etc/kernel/proxmox-boot-uuids", "".join(serial + "\n" for serial in SERIALS[:esps]))
        write("/etc/kernel/proxmox-boot-manual-kernels", "".join(release + "\n" for release in RELEASES[:kernels]))
        self.line(0)
        self.wipe()

    def wipe(self):
        """Removes all UKIs, boot entries and the record of them."""
        for esp in self.esps:
            quietly("mount", esp, BENCH + "/mnt")
            for path in glob.glob(BENCH + "/mnt/*"):
                if os.path.isfile(path):
                    os.unlink(path)
                elif os.path.basename(path) != "lost+found":
                    shutil.rmtree(path)
            quietly("umount", BENCH + "/mnt")
        shutil.rmtree("/var/lib/pve-sb-uki", ignore_errors=True)
        for path in glob.glob(VARIABLES + "/Boot*"):
            os.unlink(path)
        self.settled = None

    def settle(self, product):
        """Everything that this product wants exists, so that it has nothing to do."""
        if self.settled != product:
            self.wipe()
            quietly(self.program(product), "apply")
            self.settled = product
