#include <sodium.h>
#include <string.h>

#include "usmp_ota_crypto.h"

/* crypto_sign_verify_detached has the equation without the cofactor, and would refuse what the other implementations take. So the
   equation is put together here. All of it is public. Nothing of libsodium used here needs sodium_init. */

/* out = 8 * point; anything but 0: it is none. */
static int times_cofactor(uint8_t out[32], const uint8_t point[32])
{
  if (crypto_core_ed25519_add(out, point, point) != 0 || crypto_core_ed25519_add(out, out, out) != 0) return -1;
  return crypto_core_ed25519_add(out, out, out);
}

/* 8*S*B. For S = 0 libsodium makes no point, but there is one: the neutral one. */
static int left_side(uint8_t out[32], const uint8_t s[32])
{
  static const uint8_t neutral[32] = {1};

  if (usmp_is_zero(s, 32)) {
    memcpy(out, neutral, sizeof neutral);
    return 0;
  }
  return crypto_scalarmult_ed25519_base_noclamp(out, s) == 0 ? times_cofactor(out, out) : -1;
}

/* 8*R + h*(8*A). Multiplied by eight first, as libsodium multiplies points of the prime-order subgroup alone. */
static int right_side(uint8_t out[32], const uint8_t r[32], const uint8_t key[32], const uint8_t h[32])
{
  uint8_t eight_r[32];
  uint8_t product[32];

  if (times_cofactor(eight_r, r) != 0 || times_cofactor(product, key) != 0) return -1;
  if (crypto_scalarmult_ed25519_noclamp(product, h, product) != 0) return -1;
  return crypto_core_ed25519_add(out, eight_r, product);
}

static int verify(const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t hash[USMP_SHA512_SIZE],
                  const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE])
{
  uint8_t h[32];
  uint8_t left[32];
  uint8_t right[32];

  crypto_core_ed25519_scalar_reduce(h, hash);
  if (left_side(left, signature + 32) != 0 || right_side(right, signature, key, h) != 0) return -1;
  return usmp_equal(left, right, sizeof left) ? 0 : -1;
}

/* crypto_core_ed25519_is_valid_point would also ask for the prime-order subgroup. A sum is made of any two points of the curve. */
static int is_point(const uint8_t key[USMP_ED25519_KEY_SIZE])
{
  uint8_t sum[32];
  return crypto_core_ed25519_add(sum, key, key);
}

const usmp_ed25519_t usmp_ota_sodium = {.verify = verify, .is_point = is_point};
