// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include <archive.h>
#include <archive_entry.h>
