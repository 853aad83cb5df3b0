#include <psa/crypto.h>

#include "usmp/crypto_psa.h"

static int result_of(int result)
{
  usmp_psa_unlock();
  return result;
}

static int hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  usmp_psa_lock();
  return result_of(usmp_crypto_psa.hmac_sha256(key, key_len, data, len, mac));
}

static int x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  usmp_psa_lock();
  return result_of(usmp_crypto_psa.x25519(secret, peer, out));
}

static int seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  usmp_psa_lock();
  return result_of(usmp_crypto_psa.seal(suite, key, nonce, aad, text, len));
}

static int open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  usmp_psa_lock();
  return result_of(usmp_crypto_psa.open(suite, key, nonce, aad, text, len, out));
}

static const usmp_crypto_t locked = {hmac_sha256, x25519, seal, open};

const usmp_crypto_t *usmp_psa_start(void)
{
  usmp_psa_lock();
  psa_status_t status = psa_crypto_init();
  usmp_psa_unlock();
  return status == PSA_SUCCESS ? &locked : NULL;
}
