// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
// The EFI program of verdict-test. It writes its name to the serial port: proof that the firmware or shim started it. If
// its name starts with "dump", it also writes every variable and shim's table of variables. Then it exits with an error,
// so that the firmware tries the next boot entry. Without relocations: no static pointers.
#include <stdint.h>

#define EFI __attribute__((ms_abi))
typedef uint64_t word;

struct guid { uint32_t a; uint16_t b, c; uint8_t d[8]; };
struct runtime {
  uint8_t header[24];
  void *time[4], *memory[2];
  EFI word (*get)(uint16_t *name, struct guid *vendor, uint32_t *attributes, word *size, void *data);
  EFI word (*next)(word *size, uint16_t *name, struct guid *vendor);
};
struct boot { uint8_t header[24]; void *functions[24]; EFI word (*exit)(void *image, word status, word size, void *data); };
struct table { struct guid guid; void *data; };
struct system {
  uint8_t header[24];
  void *vendor;
  word revision;
  void *console[6];
  struct runtime *runtime;
  struct boot *boot;
  word tables;
  struct table *table;
};
struct mok { char name[256]; word size; uint8_t data[]; };

// The program's name; the test replaces it.
static const volatile char program_name[64] __attribute__((section(".id"), used)) = "@@NAME@@";
static uint8_t data[160 * 1024] __attribute__((section(".space")));

static void put(char byte) {
  uint8_t state;
  do __asm__ volatile("inb %1, %0" : "=a"(state) : "Nd"((uint16_t)0x3fd));
  while (!(state & 0x20));
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"((uint16_t)0x3f8));
}
static void text(const volatile char *string) { while (*string) put(*string++); }
static void hexadecimal(const uint8_t *bytes, word count) {
  for (word i = 0; i < count; i++)
    for (int shift = 4; shift >= 0; shift -= 4) {
      int digit = bytes[i] >> shift & 15;
      put((char)(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}
static void line(const char *kind, const uint8_t *name, word name_size, const uint8_t *middle, word middle_size,
                 const uint8_t *bytes, word count) {
  text(kind);
  hexadecimal(name, name_size);
  put(' ');
  hexadecimal(middle, middle_size);
  put(' ');
  hexadecimal(bytes, count);
  put('\n');
}

static void dump(struct system *system) {
  uint16_t name[512];
  struct guid vendor;
  name[0] = 0;
  for (;;) {
    word size = sizeof name, count = sizeof data;
    uint32_t attributes = 0;
    uint8_t middle[20];
    if (system->runtime->next(&size, name, &vendor)) break;
    if (system->runtime->get(name, &vendor, &attributes, &count, data)) continue;
    for (int i = 0; i < 16; i++) middle[i] = ((uint8_t *)&vendor)[i];
    for (int i = 0; i < 4; i++) middle[16 + i] = (uint8_t)(attributes >> 8 * i);
    line("\nvariable ", (uint8_t *)name, size, middle, 20, data, count);
  }
  for (word i = 0; i < system->tables; i++) {
    const struct guid *guid = &system->table[i].guid;
    if (guid->a != 0xc451ed2b || guid->b != 0x9694 || guid->c != 0x45d3) continue;
    for (struct mok *mok = system->table[i].data; mok->name[0]; mok = (struct mok *)(mok->data + mok->size)) {
      word length = 0;
      while (length < 256 && mok->name[length]) length++;
      line("\nmok ", (uint8_t *)mok->name, length, 0, 0, mok->data, mok->size);
    }
  }
}

EFI word start(void *image, struct system *system) {
  text("\nverdict: ");
  text(program_name);
  text(" started\n");
  if (program_name[0] == 'd' && program_name[1] == 'u' && program_name[2] == 'm' && program_name[3] == 'p') dump(system);
  const word aborted = 0x8000000000000015;
  system->boot->exit(image, aborted, 0, 0);
  return aborted;
}
