# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""A machine of verdict-test: OVMF in QEMU, whose boot entries are tried one after the other. Emulated, so that it runs
without KVM; every wait has a time limit."""
import os
import re
import shutil
import struct
import subprocess
import time

import verdict_forms as forms

FIRST_ENTRY = 0x100
# PciRoot(0)/Pci(4,0): the disk.
DISK = bytes.fromhex("02010c00d041030a00000000" "010106000004")
# Seconds without output, and in all.
SILENCE, LIMIT = 60, 600


class Firmware:
    def __init__(self, name, code, variables):
        self.name, self.code = name, code
        with open(variables, "rb") as file:
            self.empty = file.read()


def make_esp(image, files):
    """A FAT file system with these {path: content}."""
    tree = image + ".tree"
    shutil.rmtree(tree, ignore_errors=True)
    size = 40 << 20
    for path, content in files.items():
        os.makedirs(os.path.dirname(tree + path), exist_ok=True)
        with open(tree + path, "wb") as file:
            file.write(content)
        size += len(content) + 4096
    if os.path.exists(image):
        os.unlink(image)
    with open(image, "wb") as file:
        file.truncate(size + -size % (1 << 20))
    subprocess.run(["mkfs.vfat", "-F", "32", image], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-s", "-Q", "-i", image, *[tree + "/" + name for name in os.listdir(tree)], "::/"], check=True)
    shutil.rmtree(tree)


class Pipe:
    """The serial line: QEMU's two named pipes."""

    def __init__(self, path):
        self.path, self.data = path, b""
        for end in (".in", ".out"):
            if os.path.exists(path + end):
                os.unlink(path + end)
            os.mkfifo(path + end)
        self.input = os.open(path + ".in", os.O_RDWR)
        self.output = os.open(path + ".out", os.O_RDWR | os.O_NONBLOCK)

    def read(self):
        try:
            while True:
                self.data += os.read(self.output, 65536)
        except BlockingIOError:
            pass

    def close(self):
        for file in (self.input, self.output):
            os.close(file)


def readable(data):
    """The lines of a serial log without cursor movements and frames."""
    data = re.sub(rb"\x1b\[[0-9;?=]*[a-zA-Z]", b"", data).replace(b"\r", b"\n")
    text = re.sub(r" {3,}", "  ", "".join(chr(byte) for byte in data if byte == 10 or 32 <= byte < 127))
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def boot(firmware, directory, variables, entries, files, end=None):
    """Boots with these variables, files on the ESP and entries (label, path, data of the load option), until the last
    entry has ended, or `end` (a regular expression) is seen. Returns the serial log. If shim shows an error, its key is
    pressed."""
    os.makedirs(directory, exist_ok=True)
    store, image = directory + "/store.fd", directory + "/esp.img"
    numbers = range(FIRST_ENTRY, FIRST_ENTRY + len(entries))
    boots = [("Boot%04X" % number, forms.GLOBAL, 7, forms.load_option(*entry, DISK))
             for number, entry in zip(numbers, entries)]
    order = ("BootOrder", forms.GLOBAL, 7, b"".join(struct.pack("<H", number) for number in numbers))
    with open(store, "wb") as file:
        file.write(forms.store(firmware.empty, [*variables, *boots, order]))
    shutil.copy(store, directory + "/store.before.fd")
    make_esp(image, files)
    pipe = Pipe(directory + "/serial")
    finished = re.compile(end.encode() if end else b"failed to (start|load) Boot%04X" % numbers[-1])
    with open(directory + "/qemu.log", "wb") as log:
        machine = subprocess.Popen([
            "setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35,smm=on,accel=tcg",
            "-cpu", "Nehalem,+rdrand", "-m", "1024", "-nodefaults", "-display", "none", "-net", "none", "-no-reboot",
            "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
            "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + firmware.code,
            "-drive", "if=pflash,unit=1,format=raw,cache=unsafe,file=" + store,
            "-drive", "if=none,id=disk,format=raw,cache=unsafe,file=" + image,
            "-device", "virtio-blk-pci,drive=disk,addr=4",
            "-chardev", "pipe,id=line,path=" + pipe.path, "-serial", "chardev:line"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    started = heard = pressed = time.monotonic()
    length = 0
    try:
        while time.monotonic() - started < LIMIT and time.monotonic() - heard < SILENCE:
            pipe.read()
            if finished.search(pipe.data) or machine.poll() is not None:
                break
            if len(pipe.data) != length:
                length, heard = len(pipe.data), time.monotonic()
            # Shim's message is in a box that waits for a key.
            if b"ERROR" in pipe.data[pipe.data.rfind(b"BdsDxe: "):] and time.monotonic() - pressed > 0.2:
                os.write(pipe.input, b"\r")
                pressed = time.monotonic()
            time.sleep(0.02)
        time.sleep(0.1)
        pipe.read()
    finally:
        machine.kill()
        machine.wait()
        pipe.close()
        os.unlink(image)
    with open(directory + "/serial.log", "w") as file:
        file.write(readable(pipe.data))
    return readable(pipe.data)


def by_entry(log, count):
    """The log's part of each boot entry, or None for those that were not tried."""
    parts = re.split(r"BdsDxe: loading Boot([0-9A-F]{4}) ", log)
    found = {int(number, 16) - FIRST_ENTRY: body for number, body in zip(parts[1::2], parts[2::2])}
    return [found.get(number) for number in range(count)]
