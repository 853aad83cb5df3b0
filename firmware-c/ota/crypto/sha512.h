/* SHA-512 (FIPS 180-4), inside Ed25519 alone: the source of Monocypher that the build takes has none. It hashes public bytes. */
#ifndef USMP_SHA512_H
#define USMP_SHA512_H

#include <stddef.h>
#include <stdint.h>

typedef struct usmp_sha512_state {
  uint64_t chain[8];
  uint8_t block[128];
  size_t filled; /* bytes of the block */
  uint64_t total;
} usmp_sha512_state_t;

void usmp_sha512_begin(usmp_sha512_state_t *state);
void usmp_sha512_update(usmp_sha512_state_t *state, const uint8_t *data, size_t len);
void usmp_sha512_finish(usmp_sha512_state_t *state, uint8_t digest[64]);

#endif
