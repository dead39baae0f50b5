/* SPDX-License-Identifier: Apache-2.0
 * Copyright the pve-sb-uki authors
 *
 * limit OUTPUT INPUT...: reads, hashes and writes all input bytes once. No builder of signed images can do less, so
 * this is the lower limit for pve-sb-uki. With - as OUTPUT it only reads and hashes, as each check of an image has to. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned char buffer[256 * 1024];

int main(int argc, char **argv) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (argc < 3 || !context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL)) return 2;
  int output = strcmp(argv[1], "-") ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
  if (output < 0 && strcmp(argv[1], "-")) {
    perror(argv[1]);
    return 1;
  }
  for (int i = 2; i < argc; i++) {
    ssize_t count;
    int input = open(argv[i], O_RDONLY);
    if (input < 0) {
      perror(argv[i]);
      return 1;
    }
    while ((count = read(input, buffer, sizeof buffer)) > 0)
      if (!EVP_DigestUpdate(context, buffer, (size_t)count) ||
          (output >= 0 && write(output, buffer, (size_t)count) != count))
        return 1;
    if (count < 0 || close(input)) return 1;
  }
  if (!EVP_DigestFinal_ex(context, digest, NULL) || (output >= 0 && close(output))) return 1;
  return 0;
}
