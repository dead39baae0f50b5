# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# Turns lines of measure into a table: medians, and the median of the ratios within each round. The part of a name after
# a colon is the input: a program is compared with the run of `ours` on the same input. A file `sizes` has lines with a
# name and the size of the result in bytes.
{
  if (!($1 in runs)) order[++programs] = $1
  run = ++runs[$1]
  cpu[$1, run] = $2 + $3
  wall[$1, run] = $5
  if ($4 > peak[$1]) peak[$1] = $4
}

function median(values, count,    i, j, swap) {
  for (i = 1; i <= count; i++)
    for (j = i + 1; j <= count; j++)
      if (values[j] < values[i]) { swap = values[i]; values[i] = values[j]; values[j] = swap }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

function median_of(table, name,    i, copy) {
  for (i = 1; i <= runs[name]; i++) copy[i] = table[name, i]
  return median(copy, runs[name])
}

function paired(name, other,    i, copy) {
  for (i = 1; i <= runs[name]; i++) copy[i] = cpu[name, i] / cpu[other, i]
  return median(copy, runs[name])
}

function of(name, work) { return work == "" ? name : name ":" work }

BEGIN {
  if (ours == "") ours = "pve-sb-uki"
  while (sizes != "" && (getline line < sizes) > 0) {
    split(line, part, " ")
    size[part[1]] = part[2]
  }
}

END {
  for (p = 1; p <= programs; p++) if (length(order[p]) > width) width = length(order[p])
  printf "%-" width "s %10s %10s %10s %14s%s\n", "", "cpu s", "wall s", "peak MiB", "relative cpu", sizes == "" ? "" : "    output size"
  for (p = 1; p <= programs; p++) {
    name = order[p]
    work = name ~ /:/ ? substr(name, index(name, ":") + 1) : ""
    printf "%-" width "s %10.3f %10.3f %10.1f %14.2f", name, median_of(cpu, name), median_of(wall, name),
      peak[name] / 1024, paired(name, of(ours, work))
    if (sizes != "") printf " %14d", size[name]
    printf "\n"
  }
  if (!("limit" in runs)) exit
  printf "\ncpu of pve-sb-uki over the limit: %.2f; with a 300 MB initrd: %.2f\n", paired("pve-sb-uki", "limit"),
    paired("pve-sb-uki:300MB", "limit:300MB")
}
