// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#include "archive_calls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

static struct psu_archive_calls calls;
static bool complete;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
  void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  complete = true;
#define PSU_LOOK_UP(name) \
  if (!(calls.name = (__typeof__(name) *)dlsym(library, #name))) complete = false;
  PSU_ARCHIVE_CALLS(PSU_LOOK_UP)
#undef PSU_LOOK_UP
}

const struct psu_archive_calls *psu_load_archive(void) {
  pthread_once(&once, load);
  return complete ? &calls : 0;
}
