// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include <archive.h>
#include <archive_entry.h>

#define PSU_ARCHIVE_CALLS(X)           \
  X(archive_entry_free)                \
  X(archive_entry_new)                 \
  X(archive_entry_set_filetype)        \
  X(archive_error_string)              \
  X(archive_filter_bytes)              \
  X(archive_filter_count)              \
  X(archive_read_data_block)           \
  X(archive_read_free)                 \
  X(archive_read_new)                  \
  X(archive_read_next_header)          \
  X(archive_read_open)                 \
  X(archive_read_support_filter_bzip2) \
  X(archive_read_support_filter_gzip)  \
  X(archive_read_support_filter_lz4)   \
  X(archive_read_support_filter_lzma)  \
  X(archive_read_support_filter_xz)    \
  X(archive_read_support_filter_zstd)  \
  X(archive_read_support_format_empty) \
  X(archive_read_support_format_raw)   \
  X(archive_write_add_filter_gzip)     \
  X(archive_write_add_filter_xz)       \
  X(archive_write_add_filter_zstd)     \
  X(archive_write_close)               \
  X(archive_write_data)                \
  X(archive_write_free)                \
  X(archive_write_header)              \
  X(archive_write_new)                 \
  X(archive_write_open)                \
  X(archive_write_set_bytes_per_block) \
  X(archive_write_set_filter_option)   \
  X(archive_write_set_format_raw)

/// The functions of libarchive that are used.
struct psu_archive_calls {
#define PSU_MEMBER(name) __typeof__(name) *name;
  PSU_ARCHIVE_CALLS(PSU_MEMBER)
#undef PSU_MEMBER
};

/// Loads libarchive by the first call. Returns its functions, or NULL if it is not installed or lacks one.
const struct psu_archive_calls *psu_load_archive(void);
