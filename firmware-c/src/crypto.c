#include "usmp/crypto.h"

#include <string.h>

int usmp_hkdf64(const usmp_crypto_t *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t out[64])
{
  uint8_t prk[USMP_MAC_SIZE];
  uint8_t block[USMP_MAC_SIZE + USMP_HKDF_INFO_MAX + 1]; /* T(1) || info || 2 */
  uint8_t *body = block + USMP_MAC_SIZE;

  memcpy(body, info, info_len);
  int err = crypto->hmac_sha256(salt, salt_len, ikm, ikm_len, prk);
  if (err == 0) {
    body[info_len] = 1;
    err = crypto->hmac_sha256(prk, sizeof prk, body, info_len + 1, out);
  }
  if (err == 0) {
    memcpy(block, out, USMP_MAC_SIZE);
    body[info_len] = 2;
    err = crypto->hmac_sha256(prk, sizeof prk, block, USMP_MAC_SIZE + info_len + 1, out + USMP_MAC_SIZE);
  }
  usmp_wipe(prk, sizeof prk);
  usmp_wipe(block, sizeof block);
  return err;
}

bool usmp_suite_available(uint8_t suite)
{
#if USMP_WITH_AES_GCM
  if (suite == USMP_CIPHER_AES256_GCM) return true;
#endif
#if USMP_WITH_CHACHA20_POLY1305
  if (suite == USMP_CIPHER_CHACHA20_POLY1305) return true;
#endif
  return false;
}
