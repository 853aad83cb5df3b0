#include "usmp/crypto.h"

#include <string.h>

#include "usmp/callbacks.h"

int usmp_hmac_sha256(const usmp_crypto_t *crypto, const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                     uint8_t mac[USMP_MAC_SIZE])
{
  return usmp_callback_result(crypto->hmac_sha256(key, key_len, data, len, mac), USMP_ERR_CRYPTO_FAILED);
}

int usmp_x25519(const usmp_crypto_t *crypto, const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer,
                uint8_t out[USMP_KEY_SIZE])
{
  return usmp_callback_result(crypto->x25519(secret, peer, out), USMP_ERR_CRYPTO_FAILED);
}

int usmp_hkdf64(const usmp_crypto_t *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                const uint8_t *info, size_t info_len, uint8_t out[64])
{
  struct {
    uint8_t prk[USMP_MAC_SIZE];
    uint8_t last[USMP_MAC_SIZE]; /* T(1) || info || 2 */
    uint8_t info[USMP_HKDF_INFO_MAX + 1];
  } block;
  const uint8_t *text = block.info;
  size_t len = info_len + 1;

  memcpy(block.info, info, info_len);
  int err = usmp_hmac_sha256(crypto, salt, salt_len, ikm, ikm_len, block.prk);
  for (uint8_t count = 1; count <= 2 && err == USMP_OK; count++) {
    block.info[info_len] = count;
    err = usmp_hmac_sha256(crypto, block.prk, sizeof block.prk, text, len, out);
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
