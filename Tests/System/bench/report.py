#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""report.py table RESULT.json: prints the results of `run`.
report.py docs DIRECTORY RESULT.json...: copies results to a directory, draws their plots there, and puts the tables into
its README.md."""
import json
import math
import os
import re
import sys


def figure(value):
    """Three digits that count, and all digits of a large number."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return "%.*f" % (min(max(digits, 0), 5), value)


def ranged(spread, scale=1.0):
    if spread is None:
        return ""
    low, middle, high = (figure(spread[name] * scale) for name in ("min", "median", "max"))
    return middle if low == high else "%s (%s..%s)" % (middle, low, high)


def median(method, name, scale):
    """In MB or MiB; less than a thousandth is noise, such as a line of output."""
    summary = method["summary"]
    if name not in summary:
        return ""
    value = summary[name]["median"] * scale
    return figure(value) if value >= 0.001 else "0"


def products(scenario):
    return [method for method in scenario["methods"] if method["kind"] == "product"]


HEADS = ("", "CPU s", "wall s", "peak MiB", "read MB", "written MB", "system calls", "output MB", "pve-sb-uki / this, CPU",
         "this / first, CPU", "this / first, wall")


def rows(scenario):
    """A row for each method, with an empty text for unknown figures."""
    made = []
    for method in scenario["methods"]:
        if not method.get("summary"):
            made.append([method["name"], method.get("failed", "not measured")] + [""] * (len(HEADS) - 2))
            continue
        # With two versions of the product, only their ratio matters.
        to_this = method.get("product_over_this", {}) if len(products(scenario)) == 1 else {}
        to_first = method.get("this_over_first", {})
        made.append([
            method["name"], ranged(method["summary"]["cpu"]), ranged(method["summary"]["wall"]),
            median(method, "peak_kib", 1 / 1024), median(method, "read", 1e-6), median(method, "written", 1e-6),
            str(method.get("calls", "")), median(method, "size", 1e-6),
            ranged(to_this.get("cpu")), ranged(to_first.get("cpu")), ranged(to_first.get("wall"))])
    return made


def heading(scenario):
    return scenario["title"] + (", %s MB of inputs" % figure(scenario["size"] / 1e6) if "size" in scenario else "")


def table(result):
    for scenario in result["scenarios"]:
        print("\n%s [%s]" % (heading(scenario), scenario["name"]))
        if "skipped" in scenario:
            print("  skipped: %s" % scenario["skipped"])
            continue
        lines = [HEADS, *rows(scenario)]
        used = [column for column in range(len(HEADS)) if any(line[column] for line in lines[1:])]
        width = {column: max(len(line[column]) for line in lines) for column in used}
        for line in lines:
            print("  " + "  ".join(line[column].ljust(width[column]) if column == 0 else line[column].rjust(width[column])
                                   for column in used).rstrip())


def markdown(result):
    lines = []
    for scenario in result["scenarios"]:
        if "skipped" in scenario:
            continue
        made = rows(scenario)
        used = [column for column in range(len(HEADS)) if column == 0 or any(line[column] for line in made)]
        lines += ["", "**%s** (`%s`)" % (heading(scenario), scenario["name"]), "",
                  "| " + " | ".join(HEADS[column] for column in used) + " |",
                  "|---" + "|--:" * (len(used) - 1) + "|"]
        lines += ["| " + " | ".join(line[column] for column in used) + " |" for line in made]
    return lines


def facts(result):
    machine, about = result["machine"], result["facts"]
    return ["%s, %d cores, SHA instructions: %s, %.0f GB of memory; kernel %s; %s; ESPs: %s." % (
        machine["cpu"], machine["cores"], "yes" if machine["sha_instructions"] else "no", machine["memory"] / 1e9,
        machine["kernel"], about["host"], about["esp"]),
        "Rounds: %d, on %s, commit %s%s. Peers of Debian 13: %s." % (
            result["rounds"], about["date"][:10], about["commit"][:12],
            " with " + about["changes"] if "changes" in about else "",
            ", ".join("%s %s" % item for item in machine["packages"].items()))]


def fill(text, name, lines):
    """Replaces the part of a page between two comments."""
    begin, end = "<!-- %s: begin -->" % name, "<!-- %s: end -->" % name
    assert begin in text and end in text, "the page has no place for " + name
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: "\n".join([begin, *lines, "", end]), text, flags=re.S)


def docs(directory, paths):
    # No __pycache__ in the source.
    sys.dont_write_bytecode = True
    import plots
    page = os.path.join(directory, "README.md")
    with open(page) as file:
        text = file.read()
    for path in paths:
        with open(path) as file:
            result = json.load(file)
        name = result["facts"]["set"]
        with open(os.path.join(directory, name + ".json"), "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        drawn = plots.draw(result, directory)
        lines = [*facts(result), *["\n![%s](%s)" % (title, file) for file, title in drawn], *markdown(result)]
        text = fill(text, name, lines)
    with open(page, "w") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["table"] and len(sys.argv) == 3:
        with open(sys.argv[2]) as file:
            table(json.load(file))
    elif sys.argv[1:2] == ["docs"] and len(sys.argv) > 3:
        docs(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)
