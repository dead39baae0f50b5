# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""What is measured: each scenario has the product, the programs that people use instead (peers), and the limit, which
does the least that any program has to do."""
import functools
import glob
import os
import shutil
from dataclasses import dataclass, field
from typing import Callable, Optional

import host
from host import BENCH, CERTIFICATE, CMDLINE, INITRD, KERNEL, KEY, OUT, RELEASES, STUB, UNAME

LIMIT, PROCESS = "limit", "process"
OS_RELEASE = "/etc/os-release"
UNSIGNED, SIGNED = BENCH + "/unsigned.efi", BENCH + "/signed.efi"
# Random initrds of the growth scenarios, in MB.
SIZES = (10, 30, 100, 300, 1000, 2000)


@dataclass
class Method:
    name: str
    # product, peer or limit.
    kind: str
    command: list
    # Called before each sample, outside the measurement.
    before: Optional[Callable] = None
    # Exit codes that count as success.
    accept: tuple = (0,)
    # Runs per sample: more for commands that take milliseconds.
    runs: int = 1
    # Adds variables to the environment.
    environment: dict = field(default_factory=dict)
    # Takes minutes: runs in the first rounds only, and its system calls are not counted.
    slow: bool = False


@dataclass
class Scenario:
    name: str
    title: str
    methods: Callable
    setup: Callable = lambda: None
    teardown: Callable = lambda: None
    # A first round that does not count fills the page cache. Long scenarios need none.
    warm: bool = True
    # GB of memory that the largest method needs.
    memory: float = 1
    # Bytes of the inputs, for plots over the size.
    size: Callable = lambda: None


class Scenarios:
    def __init__(self, machine, peers):
        """Without peers, only the product and the limit are measured."""
        self.host, self.peers = machine, peers

    def products(self, command, **options):
        """A method for each version of the product; `command` makes its command line from the program."""
        return [Method(name, "product", command(name), **options) for name in self.host.products]

    def others(self, *methods):
        return [method for method in methods if self.peers or method.kind == "limit"]

    # --- images -------------------------------------------------------------------------------------------------------

    def build(self, name, title, initrd, **options):
        out = OUT + "/uki.efi"
        inputs = ["--stub", STUB, "--linux", KERNEL, "--initrd", initrd, "--uname", read(UNAME)]
        ukify = ["ukify", "build", "--stub=" + STUB, "--linux=" + KERNEL, "--initrd=" + initrd, "--cmdline=@" + CMDLINE,
                 "--os-release=@" + OS_RELEASE, "--uname=" + read(UNAME), "--secureboot-private-key=" + KEY,
                 "--secureboot-certificate=" + CERTIFICATE, "--output=" + out]
        files = [STUB, OS_RELEASE, CMDLINE, UNAME, initrd, KERNEL]
        return Scenario(name, title, lambda: [
            *self.products(lambda product: [
                self.host.program(product), "build", *inputs, "--cmdline", "@" + CMDLINE, "--os-release", OS_RELEASE,
                "--key", KEY, "--cert", CERTIFICATE, "--output", out]),
            Method("read, SHA-256, write", "limit", [BENCH + "/limit", out, *files]),
            *self.others(
                Method("ukify + sbsign", "peer", ukify),
                Method("ukify + systemd-sbsign", "peer", [*ukify, "--signtool=systemd-sbsign", "--no-sign-kernel"]),
                Method("objcopy + sbsign", "peer", [BENCH + "/peer-uki", STUB, KERNEL, initrd, CMDLINE, OS_RELEASE, UNAME, out,
                                                    KEY, CERTIFICATE])),
        ], size=lambda: sum(map(os.path.getsize, files)), **options)

    def images(self):
        big = BENCH + "/initrd-300"
        yield self.build("build", "build and sign a UKI", INITRD)
        yield self.build("build-300", "build and sign a UKI with an initrd of 300 MB", big,
                         setup=lambda: host.write_initrd(big, 300_000_000, 1), teardown=lambda: os.unlink(big), memory=3)
        program, out = self.host.program, OUT + "/uki.efi"
        yield Scenario("sign", "sign an existing UKI", lambda: [
            *self.products(lambda product: [program(product), "sign", UNSIGNED, "--key", KEY, "--cert", CERTIFICATE,
                                            "--output", out]),
            Method("read, SHA-256, write", "limit", [BENCH + "/limit", out, UNSIGNED]),
            *self.others(
                Method("sbsign", "peer", ["sbsign", "--key", KEY, "--cert", CERTIFICATE, "--output", out, UNSIGNED]),
                Method("systemd-sbsign", "peer", ["/usr/lib/systemd/systemd-sbsign", "sign", "--private-key=" + KEY,
                                                  "--certificate=" + CERTIFICATE, "--output=" + out, UNSIGNED]),
                Method("osslsigncode", "peer", ["osslsigncode", "sign", "-h", "sha256", "-certs", CERTIFICATE, "-key", KEY,
                                                "-in", UNSIGNED, "-out", out])),
        ], setup=self.make_images)
        yield Scenario("verify", "verify a UKI against a certificate", lambda: [
            *self.products(lambda product: [program(product), "verify", SIGNED, "--cert", CERTIFICATE], runs=3),
            Method("read, SHA-256", "limit", [BENCH + "/limit", "-", SIGNED], runs=3),
            *self.others(
                Method("sbverify", "peer", ["sbverify", "--cert", CERTIFICATE, SIGNED], runs=3),
                Method("osslsigncode", "peer", ["osslsigncode", "verify", "-CAfile", CERTIFICATE, "-in", SIGNED], runs=3)),
        ], setup=self.make_images)
        yield Scenario("inspect", "show the sections and digests of a UKI", lambda: [
            *self.products(lambda product: [program(product), "inspect", SIGNED], runs=3),
            Method("read, SHA-256", "limit", [BENCH + "/limit", "-", SIGNED], runs=3),
            *self.others(
                Method("ukify inspect", "peer", ["ukify", "inspect", SIGNED], runs=3),
                Method("objdump -h", "peer", ["objdump", "-h", SIGNED], runs=3)),
        ], setup=self.make_images)

    def make_images(self):
        for path in (UNSIGNED, SIGNED):
            if os.path.exists(path):
                os.unlink(path)
        host.quietly("ukify", "build", "--stub=" + STUB, "--linux=" + KERNEL, "--initrd=" + INITRD, "--cmdline=@" + CMDLINE,
                     "--os-release=@" + OS_RELEASE, "--uname=" + read(UNAME), "--output=" + UNSIGNED)
        host.quietly("sbsign", "--key", KEY, "--cert", CERTIFICATE, "--output", SIGNED, UNSIGNED)

    # --- a host -------------------------------------------------------------------------------------------------------

    def loops(self, kernels, esps, before, **options):
        """The administrator's script with each tool, for so many kernels and ESPs, and the limit."""
        def command(method):
            return [BENCH + "/peer-apply", method, KEY, CERTIFICATE, ",".join(self.host.esps[:esps]), *RELEASES[:kernels]]
        return [Method("read, SHA-256, write, cp", "limit", command("limit"), before=before, **options),
                *self.others(
                    Method("ukify + sbsign + cp", "peer", command("ukify"), before=before, **options),
                    Method("objcopy + sbsign + cp", "peer", command("objcopy"), before=before, **options))]

    def apply(self, name, title, kernels, esps, initrd=None, **options):
        machine = self.host
        setup = options.pop("setup", lambda: None)

        def prepare():
            setup()
            machine.set_up(kernels, esps, initrd)
        return Scenario(name, title, lambda: [
            *self.products(lambda product: [machine.program(product), "apply"], before=machine.wipe),
            *self.loops(kernels, esps, machine.wipe),
        ], setup=prepare, **options)

    def hosts(self):
        machine = self.host

        def plural(count, word):
            return "%d %s%s" % (count, word, "s" if count > 1 else "")
        for kernels, esps in ((1, 1), (1, 2), (5, 1), (5, 2)):
            yield self.apply("apply-%dx%d" % (kernels, esps),
                             "apply: UKIs of %s on %s" % (plural(kernels, "kernel"), plural(esps, "ESP")), kernels, esps)
        yield Scenario("apply-cmdline", "apply: only the command line of 1 kernel on 1 ESP has changed", lambda: [
            *[self.changing(method) for method in self.products(lambda product: [machine.program(product), "apply"])],
            *self.loops(1, 1, None),
        ], setup=lambda: machine.set_up(1, 1))
        for kernels, esps in ((1, 1), (5, 2)):
            yield Scenario(
                "idle-%dx%d" % (kernels, esps),
                "apply: nothing to do, %s on %s" % (plural(kernels, "kernel"), plural(esps, "ESP")),
                lambda kernels=kernels, esps=esps: [
                    *self.settled(lambda product: [machine.program(product), "apply"], runs=20),
                    Method("a process (true)", "limit", ["true"], runs=20),
                    # A script without a record of what it did builds everything again.
                    *self.loops(kernels, esps, machine.wipe)[1:]],
                setup=lambda kernels=kernels, esps=esps: machine.set_up(kernels, esps))
        for name, title, arguments, runs in (("status", "status: reads each UKI once", [], 1),
                                             ("status-quick", "status --quick", ["--quick"], 20)):
            esps = ",".join(machine.esps)
            settle = functools.partial(machine.settle, next(iter(machine.products)))
            yield Scenario(name, title + ", 5 kernels on 2 ESPs", lambda arguments=arguments, runs=runs, settle=settle: [
                # This host's root file system does not exist, which is a finding.
                *self.settled(lambda product: [machine.program(product), "status", *arguments], runs=runs, accept=(0, 1)),
                Method("read, SHA-256", "limit", [BENCH + "/peer-status", "limit", CERTIFICATE, esps],
                       before=settle) if not arguments else
                Method("a process (true)", "limit", ["true"], runs=runs),
                *self.others(Method("sbverify of all", "peer", [BENCH + "/peer-status", "sbverify", CERTIFICATE, esps],
                                   before=settle)),
            ], setup=lambda: machine.set_up(5, 2))
        yield from self.hooks()

    def changing(self, method):
        """The method with another command line for each sample, from a host that had nothing to do."""
        numbers = iter(range(1, 1 << 20))

        def before():
            self.host.line(0)
            self.host.settle(method.name)
            self.host.line(next(numbers))
            self.host.settled = None
        method.before = before
        return method

    def settled(self, command, **options):
        methods = self.products(command, **options)
        for method in methods:
            method.before = lambda method=method: self.host.settle(method.name)
        return methods

    def hooks(self):
        machine = self.host
        keys, record = "/etc/pve-sb-uki", "/var/lib/pve-sb-uki"

        def hook(product):
            return [machine.program(product, "etc/kernel/postinst.d/zz-pve-sb-uki"), RELEASES[0], "/boot/vmlinuz-" + RELEASES[0]]

        def others():
            return [Method("a process (true)", "limit", ["true"], runs=50),
                    *self.others(Method("a hook in shell (sh -c :)", "peer", ["sh", "-c", ":"], runs=50))]

        def without_keys():
            machine.set_up(5, 2)
            shutil.move(keys, BENCH + "/kept")
        yield Scenario("hook-unset", "hook of a kernel on a host without keys", lambda: [
            *self.products(hook, runs=50), *others(),
        ], setup=without_keys, teardown=lambda: shutil.move(BENCH + "/kept", keys))
        yield Scenario("hook-idle", "hook of a kernel: nothing to do, 5 kernels on 2 ESPs", lambda: [
            *self.settled(hook, runs=20), *others(),
        ], setup=lambda: machine.set_up(5, 2))

    # --- packages -----------------------------------------------------------------------------------------------------

    def repack(self, name, title, package, peers, modules=False, slow=False, **options):
        """`peers` are the compressions of the peer. slow: takes minutes with all programs."""
        def peer(compression):
            return Method("dpkg-deb + %s, %s" % ("sign-file" if modules else "sbsign", compression), "peer",
                          [BENCH + "/peer-repack", package, OUT + "/peer.deb", KEY, CERTIFICATE, "-Z" + compression],
                          environment={"SIGN_FILE": BENCH + "/sign-file"} if modules else {}, slow=slow or compression == "xz")
        return Scenario(name, title, lambda: [
            *self.products(lambda product: [
                self.host.program(product, "usr/bin/pve-sb-uki-repack"), "--quiet", "--key", KEY, "--cert", CERTIFICATE, "-o",
                OUT, *(["--resign-modules"] if modules else []), package], slow=slow),
            # A tar archive to a pipe costs little; only dpkg-deb decodes all compressions.
            Method("decode (dpkg-deb --fsys-tarfile)", "limit", ["dpkg-deb", "--fsys-tarfile", package]),
            Method("cp", "limit", ["cp", package, OUT + "/copy.deb"]),
            *self.others(*map(peer, peers)),
        ], warm=False, memory=4, size=lambda: os.path.getsize(package), **options)

    def packages(self):
        packages = BENCH + "/packages/"
        for version in ("6.1", "6.12"):
            yield self.repack("repack-" + version, "repack Debian's kernel %s (xz)" % version, packages + version + ".deb",
                              ("xz", "zstd"))
        yield self.repack("repack-6.1-zst", "repack kernel 6.1 compressed with zstd", packages + "6.1-zst.deb", ("zstd",))
        yield self.repack("repack-6.1-modules", "repack kernel 6.1 and sign all modules", packages + "6.1.deb",
                          ("xz", "zstd"), modules=True)
        # Its modules are compressed themselves: all programs compress them again.
        yield self.repack("repack-6.12-modules", "repack kernel 6.12 and sign all modules, which are compressed",
                          packages + "6.12.deb", ("zstd",), modules=True, slow=True)

    # --- growth -------------------------------------------------------------------------------------------------------

    def growth(self):
        path = BENCH + "/initrd-growth"
        for size in SIZES:
            # ukify needs three times the size of the UKI, besides the files in tmpfs.
            memory = 1 + 7 * size / 1000
            options = {"setup": lambda size=size: host.write_initrd(path, size * 1_000_000, size), "memory": memory,
                       "teardown": lambda: os.path.exists(path) and os.unlink(path)}
            yield self.build("growth-build-%d" % size, "build and sign a UKI, initrd of %d MB" % size, path, **options)
            scenario = self.apply("growth-apply-%d" % size, "apply: 1 kernel on 1 ESP, initrd of %d MB" % size, 1, 1, path,
                                  **options)
            scenario.size = lambda: sum(map(os.path.getsize, (STUB, KERNEL, path)))
            yield scenario
        for package in sorted(glob.glob(BENCH + "/packages/*.deb"), key=os.path.getsize):
            name = os.path.basename(package)[:-4]
            yield self.repack("growth-repack-" + name, "repack " + name, package, ("xz", "zstd"))


def read(path):
    with open(path) as file:
        return file.read().strip()
