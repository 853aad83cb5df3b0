#include <monocypher.h>

#include "usmp_ota_crypto.h"

/* Monocypher has the equation with the cofactor, as asked. */
static int verify(const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t hash[USMP_SHA512_SIZE],
                  const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE])
{
  uint8_t h[32];

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
