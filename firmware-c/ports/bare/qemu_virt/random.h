/* Random bytes for the emulated board, which has no source of its own: HMAC-DRBG (BearSSL) over the seed
   that the start handed in. A real board reads its entropy source here instead. */
#ifndef USMP_BOARD_RANDOM_H
#define USMP_BOARD_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* 0, or less than zero when the seed is nothing but zeros. */
int board_random_init(const uint8_t seed[32]);

/* Of the type usmp_random_fn. */
int board_random(void *context, uint8_t *out, size_t len);

#endif
