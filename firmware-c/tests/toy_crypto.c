/* A crypto table for tests alone: it has the algebra of the real ones and no strength at all. All of it is compiled with the
   tests, so that MemorySanitizer sees every byte of it, and it is fast. */
#include "toy_crypto.h"

#include <string.h>

#include "usmp/errors.h"

#define PRIME 0x1FFFFFFFFFFFFFFFull /* 2^61 - 1 */

static uint64_t mix(uint64_t state, const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    state = (state ^ bytes[i]) * 0x100000001B3ull;
    state ^= state >> 29;
  }
  return state;
}

static void spread(uint64_t state, uint8_t *out, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    out[i] = (uint8_t)(state >> 56);
  }
}

static int hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  spread(mix(mix(0xCBF29CE484222325ull, key, key_len), data, len), mac, USMP_MAC_SIZE);
  return 0;
}

static uint64_t load(const uint8_t bytes[8])
{
  return ((uint64_t)usmp_load32(bytes + 4) << 32 | usmp_load32(bytes)) % PRIME;
}

static uint64_t times(uint64_t a, uint64_t b)
{
  uint64_t product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product = (product + a) % PRIME;
    a = 2 * a % PRIME;
  }
  return product;
}

/* peer to the power of the secret; of zeros zeros. */
static int x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  uint64_t base = peer ? load(peer) : 9;
  uint64_t power = base ? 1 : 0;

  for (uint64_t exponent = load(secret) | 2; exponent; exponent >>= 1) {
    if (exponent & 1) power = times(power, base);
    base = times(base, base);
  }
  memset(out, 0, USMP_KEY_SIZE);
  usmp_store32(out, (uint32_t)power);
  usmp_store32(out + 4, (uint32_t)(power >> 32));
  return 0;
}

static void cover(uint8_t suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *in, size_t len, uint8_t *out)
{
  uint8_t stream[USMP_MAX_FRAME_SIZE];

  spread(mix(mix(suite, key, USMP_KEY_SIZE), nonce, USMP_NONCE_SIZE), stream, len);
  for (size_t i = 0; i < len; i++) out[i] = in[i] ^ stream[i];
}

static void make_tag(uint8_t suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, const uint8_t *text,
                     size_t len, uint8_t tag[USMP_TAG_SIZE])
{
  uint64_t state = mix(mix(~(uint64_t)suite, key, USMP_KEY_SIZE), nonce, USMP_NONCE_SIZE);
  spread(mix(mix(state, aad, USMP_AAD_SIZE), text, len), tag, USMP_TAG_SIZE);
}

static int seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  cover(suite, key, nonce, text, len, text);
  make_tag(suite, key, nonce, aad, text, len, text + len);
  return 0;
}

static int open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  uint8_t tag[USMP_TAG_SIZE];

  make_tag(suite, key, nonce, aad, text, len, tag);
  if (!usmp_equal(tag, text + len, sizeof tag)) return USMP_ERR_DECRYPT_FAILED;
  cover(suite, key, nonce, text, len, out);
  return 0;
}

const usmp_crypto_t toy_crypto = {hmac_sha256, x25519, seal, open};
