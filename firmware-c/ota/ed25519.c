#include "usmp_ota_crypto.h"

#include <string.h>

/* What makes a signature and a key the only ones of their kind. It is decided here, on bytes, and not left to a library: Monocypher takes
   encodings that are not canonical and keys of small order, and the versions of libsodium differ. */

/* The order of the group, little-endian. */
static const uint8_t order[32] = {0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58,       0xD6,
                                  0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, [31] = 0x10};

/* The y of the points of small order: of order 4, 1, 2, and 8 twice. Each stands for both signs of x. */
static const uint8_t small_order[5][32] = {
  {0},
  {1},
  {0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
   0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
  {0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
   0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05},
  {0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
   0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A}};

/* S < L */
static bool is_reduced(const uint8_t s[32])
{
  for (int i = 31; i >= 0; i--) {
    if (s[i] != order[i]) return s[i] < order[i];
  }
  return false;
}

/* y < 2^255 - 19; y without the bit of the sign. */
static bool is_canonical(const uint8_t y[32])
{
  if (y[31] != 0x7F || y[0] < 0xED) return true;
  for (int i = 1; i < 31; i++) {
    if (y[i] != 0xFF) return true;
  }
  return false;
}

/* Neither another encoding of a point that has a shorter one, nor a point of small order. Whether it is a point at all is the library's
   matter. */
static bool is_strict(const uint8_t point[32])
{
  uint8_t y[32];

  memcpy(y, point, sizeof y);
  y[31] &= 0x7F;
  if (!is_canonical(y)) return false;
  for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++) {
    if (memcmp(y, small_order[i], sizeof y) == 0) return false;
  }
  return true;
}

bool usmp_ed25519_key_is_trustworthy(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE])
{
  return is_strict(key) && crypto->ed25519->is_point(key) == 0;
}

bool usmp_ed25519_verify(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t *message,
                         size_t len, const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE])
{
  uint8_t points[64]; /* R || A */
  uint8_t hash[USMP_SHA512_SIZE];

  if (!is_strict(key) || !is_strict(signature) || !is_reduced(signature + 32)) return false;
  memcpy(points, signature, 32);
  memcpy(points + 32, key, USMP_ED25519_KEY_SIZE);
  if (crypto->hashes->sha512(points, message, len, hash) != 0) return false;
  return crypto->ed25519->verify(key, hash, signature) == 0;
}

int usmp_sha256(const usmp_ota_crypto_t *crypto, const uint8_t *data, size_t len, uint8_t digest[USMP_SHA256_SIZE])
{
  usmp_sha256_state_t state;

  int err = crypto->hashes->begin(&state);
  if (err != 0) return err;
  err = crypto->hashes->update(&state, data, len);
  int end = crypto->hashes->finish(&state, err == 0 ? digest : NULL);
  return err != 0 ? err : end;
}
