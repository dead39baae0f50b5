#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""bench.py: runs scenarios inside the root and writes the results as JSON. `run` makes the root and calls it.

In each round every method of a scenario runs once, in turn in this and in the reverse order, so that a slow drift of the
machine hits all alike."""
import argparse
import datetime
import fnmatch
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys

import scenarios
import statistics_of
from host import BENCH, OUT, Failed, Host, quietly

# Seconds for one sample. The slowest is dpkg-deb with xz.
LIMIT = 3600
# Rounds of methods that take minutes.
SLOW_ROUNDS = 2


def run(command, environment, accept, log):
    """Runs the command, and ends it and all its children after LIMIT seconds. Returns what it wrote to descriptor 3."""
    reading, writing = os.pipe()
    # Descriptor 3 is what measure writes to.
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" 3>&%d' % writing if writing != 3 else 'exec "$@"', "sh", *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, pass_fds=[writing], start_new_session=True,
        env={**os.environ, "TMPDIR": OUT + "/tmp", **environment})
    os.close(writing)
    try:
        status = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        raise Failed("took more than %d s" % LIMIT) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with os.fdopen(reading, "rb") as file:
            said = file.read()
    if status not in accept:
        raise Failed("ended with status %d" % status)
    return said


def empty_out():
    for name in os.listdir(OUT):
        path = os.path.join(OUT, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    os.mkdir(OUT + "/tmp")


def sample(method, log):
    """One sample: figures per run, and the size of what the method left in OUT."""
    if method.before:
        method.before()
    empty_out()
    line = run([BENCH + "/measure", str(method.runs), *method.command], method.environment, (0,), log)
    measured = json.loads(line)
    if measured["status"] not in method.accept:
        raise Failed("ended with status %d" % measured["status"])
    runs = measured["runs"]
    figures = {name: round(measured[name] / runs, 7) for name in ("user", "system", "wall")}
    figures["cpu"] = round(figures["user"] + figures["system"], 7)
    figures["peak_kib"] = measured["peak_kib"]
    figures.update({name: measured[name] // runs for name in ("read", "written")})
    size = sum(entry.stat().st_size for entry in os.scandir(OUT) if entry.is_file())
    if size:
        figures["size"] = size
    return figures


def calls(method, log):
    """The number of system calls of one run, all processes together."""
    if method.before:
        method.before()
    empty_out()
    report = BENCH + "/strace"
    run(["strace", "-f", "-c", "-o", report, *method.command], method.environment, method.accept, log)
    with open(report) as file:
        for line in file:
            words = line.split()
            if words[-1:] == ["total"]:
                return int(words[3])
    raise Failed("strace printed no total")


def available():
    """GB of memory."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 / 1e9 for line in file if line.startswith("MemAvailable:"))


def machine():
    """What the figures depend on."""
    with open("/proc/cpuinfo") as file:
        lines = file.read().split("\n")
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    names = ("systemd-ukify", "systemd-repart", "systemd-boot-efi", "sbsigntool", "osslsigncode", "binutils", "dpkg", "xz-utils",
             "libzstd1", "libssl3t64", "libarchive13t64", "libc6")
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names], stdout=subprocess.PIPE, check=True)
    return {
        "cpu": next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine()),
        "cores": os.cpu_count(), "sha_instructions": "sha_ni" in flags or "sha2" in flags, "memory": memory,
        # Without the name that its builder gave it.
        "kernel": re.match(r"[0-9.]*[0-9]", platform.release()).group(),
        "packages": dict(line.split(" ") for line in query.stdout.decode().split("\n") if line),
    }


class Run:
    def __init__(self, options, facts):
        self.options = options
        self.log = open(BENCH + "/log", "wb")
        self.result = {"facts": facts, "machine": machine(), "rounds": options.rounds, "scenarios": []}

    def tell(self, text):
        print("%s %s" % (datetime.datetime.now().strftime("%T"), text), file=sys.stderr, flush=True)

    def keep(self):
        with open(self.options.result + ".new", "w") as file:
            json.dump(self.result, file, indent=1)
        os.rename(self.options.result + ".new", self.options.result)

    def scenario(self, scenario):
        entry = {"name": scenario.name, "title": scenario.title, "load": os.getloadavg()[0], "methods": []}
        self.result["scenarios"].append(entry)
        if available() < scenario.memory:
            entry["skipped"] = "needs %.0f GB of memory" % scenario.memory
            self.tell("%s: skipped: %s" % (scenario.name, entry["skipped"]))
            return
        try:
            scenario.setup()
            methods = scenario.methods()
            if scenario.size():
                entry["size"] = scenario.size()
            entry["methods"] = [{"name": method.name, "kind": method.kind, "command": " ".join(method.command),
                                 "runs": method.runs, "samples": []} for method in methods]
            pairs = list(zip(methods, entry["methods"]))
            for number in [-2] * scenario.warm + list(range(self.options.rounds)):
                self.tell("%s: %s" % (scenario.name, "warm-up" if number < 0 else "round %d" % (number + 1)))
                for method, kept in reversed(pairs) if number % 2 else pairs:
                    if method.slow and number >= SLOW_ROUNDS:
                        continue
                    self.attempt(scenario, method, kept, sample,
                                 lambda figures: number < 0 or kept["samples"].append({"round": number, **figures}))
            if self.options.calls:
                self.tell("%s: counting system calls" % scenario.name)
                for method, kept in pairs:
                    if method.slow:
                        continue
                    self.attempt(scenario, method, kept, calls, lambda count: kept.update(calls=count))
        finally:
            scenario.teardown()
            empty_out()
        statistics_of.complete(entry)
        self.keep()

    def attempt(self, scenario, method, kept, measure, use):
        """A method that failed is not tried again; the others continue."""
        if "failed" in kept:
            return
        try:
            use(measure(method, self.log))
        except Failed as error:
            kept["failed"] = str(error)
            self.tell("%s: %s %s" % (scenario.name, method.name, error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", choices=("run", "growth", "compare"), required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--only", default="*")
    parser.add_argument("--calls", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--esp", action="append", required=True)
    parser.add_argument("--product", action="append", required=True, help="NAME=DIRECTORY; ratios are of the first")
    parser.add_argument("--fact", action="append", default=[], help="NAME=TEXT to keep with the results")
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    products = dict(text.split("=", 1) for text in options.product)
    host = Host(options.esp, products)
    # All methods write to memory, except apply and its peers, which write to the ESPs. The mount ends with the namespace.
    quietly("mount", "-t", "tmpfs", "-o", "size=90%", "tmpfs", OUT)
    empty_out()
    host.prepare()
    known = scenarios.Scenarios(host, peers=options.set != "compare")
    chosen = list(known.growth() if options.set == "growth" else [*known.images(), *known.hosts(), *known.packages()])
    chosen = [scenario for scenario in chosen
              if any(fnmatch.fnmatch(scenario.name, pattern) for pattern in options.only.split())]
    if not chosen:
        sys.exit("no scenario matches %s" % options.only)
    current = Run(options, dict(text.split("=", 1) for text in options.fact))
    for scenario in chosen:
        current.scenario(scenario)
    current.keep()
    failed = ["%s: %s %s" % (entry["name"], method["name"], method["failed"])
              for entry in current.result["scenarios"] for method in entry["methods"] if "failed" in method]
    # Peers have limits of their own. A failed product makes the run useless.
    if any(method["kind"] == "product" and "failed" in method
           for entry in current.result["scenarios"] for method in entry["methods"]):
        sys.exit("\n".join(failed))


main()
