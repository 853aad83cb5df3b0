#include <bearssl.h>

#include "usmp_ota_crypto.h"

_Static_assert(sizeof(br_sha256_context) <= sizeof(usmp_sha256_state_t), "raise USMP_SHA256_STATE_SIZE");

static int begin(usmp_sha256_state_t *state)
{
  br_sha256_init((br_sha256_context *)state);
  return 0;
}

static int update(usmp_sha256_state_t *state, const uint8_t *data, size_t len)
{
  br_sha256_update((br_sha256_context *)state, data, len);
  return 0;
}

static int finish(usmp_sha256_state_t *state, uint8_t *digest)
{
  if (digest) br_sha256_out((const br_sha256_context *)state, digest);
  return 0;
}

static int sha512(const uint8_t first[64], const uint8_t *second, size_t len, uint8_t digest[USMP_SHA512_SIZE])
{
  br_sha512_context context;

  br_sha512_init(&context);
  br_sha512_update(&context, first, 64);
  br_sha512_update(&context, second, len);
  br_sha512_out(&context, digest);
  return 0;
}

const usmp_hashes_t usmp_ota_bearssl_hashes = {.begin = begin, .update = update, .finish = finish, .sha512 = sha512};
