# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""Plots of results, as SVG. The same results give the same files: no date, and fixed names for parts of the picture."""
import os

import matplotlib

matplotlib.use("svg")
# Text stays text: the files are small, and the reader's font is used.
matplotlib.rcParams.update({"svg.hashsalt": "pve-sb-uki", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif",
                            "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402 (after the choice of the back end)

COLORS = {"product": "#1f5fa8", "limit": "#3b8f4a", "peer": "#b5762a"}
PEERS = ("#b5762a", "#8a5a9c", "#a83a3a", "#7a7a7a")
GROUPS = (
    ("images", "CPU time for one image", ("build", "sign", "verify", "inspect")),
    ("host", "CPU time on a host", ("apply", "idle", "status", "hook")),
    ("packages", "CPU time for one package", ("repack",)),
)


def save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    # matplotlib ends some lines with blanks.
    with open(path) as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def measured(scenario):
    return [method for method in scenario["methods"] if method.get("summary")]


def bars(scenarios, title, path):
    """For each scenario a bar for each method, with its range."""
    counts = [len(measured(scenario)) for scenario in scenarios]
    figure, axes = pyplot.subplots(len(scenarios), 1, figsize=(8, sum(counts) * 0.24 + len(counts) * 0.62), squeeze=False,
                                   gridspec_kw={"height_ratios": [count + 0.4 for count in counts], "hspace": 0.9})
    for axis, scenario in zip(axes[:, 0], scenarios):
        methods = measured(scenario)[::-1]
        for place, method in enumerate(methods):
            cpu = method["summary"]["cpu"]
            axis.barh(place, cpu["median"], height=0.7, color=COLORS[method["kind"]])
            axis.plot([cpu["min"], cpu["max"]], [place, place], color="black", linewidth=1)
            axis.annotate(" %.3g" % cpu["median"], (cpu["max"], place), va="center", fontsize=8)
        axis.set_yticks(range(len(methods)), [method["name"] for method in methods])
        axis.set_title(scenario["title"], loc="left", fontsize=9)
        axis.margins(x=0.12)
    axes[-1, 0].set_xlabel("CPU seconds (user and system): median, and the range as a line")
    save(figure, path)
    return os.path.basename(path), title


def curves(scenarios, title, path):
    """CPU time and peak memory over the size of the inputs."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6))
    names = []
    for scenario in scenarios:
        names += [(method["name"], method["kind"]) for method in measured(scenario)
                  if (method["name"], method["kind"]) not in names]
    colors = iter(PEERS)
    for name, kind in names:
        color = next(colors, "black") if kind == "peer" else COLORS[kind]
        points = [(scenario["size"] / 1e6, method["summary"]) for scenario in scenarios for method in measured(scenario)
                  if method["name"] == name]
        points.sort(key=lambda point: point[0])
        sizes = [size for size, _ in points]
        style = {"color": color, "marker": "o", "markersize": 3, "linewidth": 1.2,
                 "linestyle": "--" if kind == "limit" else "-"}
        axes[0].plot(sizes, [summary["cpu"]["median"] for _, summary in points], label=name, **style)
        axes[0].fill_between(sizes, [summary["cpu"]["min"] for _, summary in points],
                             [summary["cpu"]["max"] for _, summary in points], color=color, alpha=0.2, linewidth=0)
        axes[1].plot(sizes, [summary["peak_kib"]["median"] / 1024 for _, summary in points], **style)
    for axis, label in zip(axes, ("CPU seconds", "peak memory of the largest process, MiB")):
        axis.set(xscale="log", yscale="log", xlabel="MB of inputs", ylabel=label)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(lambda value, _: "%g" % value)
        axis.grid(color="#dddddd", linewidth=0.5)
    figure.suptitle(title, x=0.06, ha="left", fontsize=10)
    figure.tight_layout()
    figure.legend(loc="upper left", bbox_to_anchor=(1, 0.9), frameon=False)
    save(figure, path)
    return os.path.basename(path), title


def draw(result, directory):
    """Draws what the results contain. Returns files and titles."""
    drawn = []
    done = [scenario for scenario in result["scenarios"] if measured(scenario)]
    if result["facts"]["set"] == "growth":
        for name, title in (("build", "build and sign a UKI"), ("apply", "apply: one kernel on one ESP"),
                            ("repack", "repack a kernel package")):
            chosen = [scenario for scenario in done if scenario["name"].startswith("growth-%s-" % name)]
            if chosen:
                drawn.append(curves(chosen, title, os.path.join(directory, "growth-%s.svg" % name)))
    else:
        for name, title, prefixes in GROUPS:
            chosen = [scenario for scenario in done if scenario["name"].split("-")[0] in prefixes]
            if chosen:
                drawn.append(bars(chosen, title, os.path.join(directory, "%s.svg" % name)))
    return drawn
