#include "usmp/crypto.h"

#include <string.h>

int usmp_hkdf64(const usmp_crypto_t *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t out[64])
{
  struct {
    uint8_t prk[USMP_MAC_SIZE];
    uint8_t last[USMP_MAC_SIZE]; /* T(1) || info || 2 */
    uint8_t info[USMP_HKDF_INFO_MAX + 1];
  } block;
  const uint8_t *text = block.info;
  size_t len = info_len + 1;

  memcpy(block.info, info, info_len);
  int err = crypto->hmac_sha256(salt, salt_len, ikm, ikm_len, block.prk);
  for (uint8_t count = 1; count <= 2 && err == 0; count++) {
    block.info[info_len] = count;
    err = crypto->hmac_sha256(block.prk, sizeof block.prk, text, len, out);
    memcpy(block.last, out, sizeof block.last);
    text = block.last;
    len += sizeof block.last;
    out += sizeof block.last;
  }
  usmp_wipe(&block, sizeof block);
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
