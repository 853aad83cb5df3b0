#include <monocypher.h>

#include "sha512.h"
#include "usmp_ota_crypto.h"

/* Monocypher has the equation with the cofactor, as asked. Its Ed25519 with SHA-512 is a part that not every package contains, so the
   hash is ours. */
static int verify(const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t *message, size_t len,
                  const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE])
{
  usmp_sha512_state_t state;
  uint8_t hash[64];
  uint8_t h[32];

  usmp_sha512_begin(&state);
  usmp_sha512_update(&state, signature, 32);
  usmp_sha512_update(&state, key, USMP_ED25519_KEY_SIZE);
  usmp_sha512_update(&state, message, len);
  usmp_sha512_finish(&state, hash);
  crypto_eddsa_reduce(h, hash);
  return crypto_eddsa_check_equation(signature, key, h);
}

/* With S = 0, h = 0 and R the neutral point the equation holds for every key that can be decoded, and for nothing else. */
static int is_point(const uint8_t key[USMP_ED25519_KEY_SIZE])
{
  static const uint8_t neutral[USMP_ED25519_SIGNATURE_SIZE] = {1};
  static const uint8_t zero[32] = {0};
  return crypto_eddsa_check_equation(neutral, key, zero);
}

const usmp_ed25519_t usmp_ota_monocypher = {.verify = verify, .is_point = is_point};
