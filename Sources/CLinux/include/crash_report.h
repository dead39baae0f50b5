// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

/// Installs a handler for signals of faults that writes `text`, at most 511 bytes, to standard error and exits.
void psu_report_crashes(const char *text);

/// Sets the exit code of that handler.
void psu_set_crash_code(int number);
