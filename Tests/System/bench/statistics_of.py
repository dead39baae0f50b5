# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
"""Medians, ranges and ratios of samples. A ratio compares two methods within a round, so that a machine which is busy for
some rounds changes both."""
import statistics

# What a sample has, per run of the command. `cpu` is the sum of user and system.
FIGURES = ("cpu", "user", "system", "wall", "peak_kib", "read", "written", "size")


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(samples):
    """The spread of each figure that all samples have."""
    return {name: spread([sample[name] for sample in samples])
            for name in FIGURES if samples and all(name in sample for sample in samples)}


def ratio(samples, others, figure="cpu"):
    """The spread of samples / others, round by round; None without a common round."""
    values = {sample["round"]: sample[figure] for sample in others if sample[figure] > 0}
    pairs = [sample[figure] / values[sample["round"]] for sample in samples if sample["round"] in values]
    return spread(pairs) if pairs else None


def complete(scenario):
    """Adds the summaries to a scenario of the results. Each further product also gets its ratios to the first one, and each
    other method the ratios of the first product to it."""
    first = next((method for method in scenario["methods"] if method["kind"] == "product"), None)
    for method in scenario["methods"]:
        method["summary"] = summary(method["samples"])
        if method is first or first is None:
            continue
        if method["kind"] == "product":
            name, pair = "this_over_first", (method, first)
        else:
            name, pair = "product_over_this", (first, method)
        method[name] = {figure: ratio(pair[0]["samples"], pair[1]["samples"], figure) for figure in ("cpu", "wall", "peak_kib")}
