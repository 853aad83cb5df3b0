#include "random.h"

#include <bearssl.h>

#include "usmp/bytes.h"
#include "usmp/errors.h"

static br_hmac_drbg_context generator;
static bool seeded;

int board_random_init(const uint8_t seed[32])
{
  if (usmp_is_zero(seed, 32)) return USMP_ERR_RANDOM_FAILED;
  br_hmac_drbg_init(&generator, &br_sha256_vtable, seed, 32);
  seeded = true;
  return 0;
}

int board_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  if (!seeded) return USMP_ERR_RANDOM_FAILED;
  br_hmac_drbg_generate(&generator, out, len);
  return 0;
}
