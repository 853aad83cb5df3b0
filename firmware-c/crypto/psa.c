/* Only calls that mbedTLS 2.28, 3.6 and 4 have in common. */
#include <psa/crypto.h>
#include <string.h>

#include "usmp/crypto_psa.h"
#include "usmp/errors.h"

static psa_status_t import(psa_key_type_t type, psa_key_usage_t usage, psa_algorithm_t algorithm, const uint8_t *bytes,
                           size_t len, psa_key_id_t *key)
{
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;

  psa_set_key_type(&attributes, type);
  psa_set_key_usage_flags(&attributes, usage);
  psa_set_key_algorithm(&attributes, algorithm);
  return psa_import_key(&attributes, bytes, len, key);
}

static int hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  static const uint8_t empty_key[1] = {0}; /* HMAC pads with zeros: the same mac, and PSA wants a byte */
  const psa_algorithm_t algorithm = PSA_ALG_HMAC(PSA_ALG_SHA_256);
  psa_key_id_t id;
  size_t mac_len;

  if (key_len == 0) {
    key = empty_key;
    key_len = sizeof empty_key;
  }
  psa_status_t status = import(PSA_KEY_TYPE_HMAC, PSA_KEY_USAGE_SIGN_MESSAGE, algorithm, key, key_len, &id);
  if (status != PSA_SUCCESS) return USMP_ERR_CRYPTO_FAILED;
  status = psa_mac_compute(id, algorithm, data, len, mac, USMP_MAC_SIZE, &mac_len);
  psa_destroy_key(id);
  return status == PSA_SUCCESS ? 0 : USMP_ERR_CRYPTO_FAILED;
}

static int x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  psa_key_id_t id;
  size_t out_len;

  psa_status_t status = import(PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY), PSA_KEY_USAGE_DERIVE, PSA_ALG_ECDH, secret,
                               USMP_KEY_SIZE, &id);
  if (status != PSA_SUCCESS) return USMP_ERR_CRYPTO_FAILED;
  if (peer) {
    status = psa_raw_key_agreement(PSA_ALG_ECDH, id, peer, USMP_KEY_SIZE, out, USMP_KEY_SIZE, &out_len);
    if (status == PSA_ERROR_INVALID_ARGUMENT) { /* how mbedTLS refuses a point of low order */
      memset(out, 0, USMP_KEY_SIZE);
      status = PSA_SUCCESS;
    }
  } else {
    status = psa_export_public_key(id, out, USMP_KEY_SIZE, &out_len);
  }
  psa_destroy_key(id);
  return status == PSA_SUCCESS ? 0 : USMP_ERR_CRYPTO_FAILED;
}

static psa_status_t import_aead(uint8_t suite, psa_key_usage_t usage, const uint8_t *key, psa_algorithm_t *algorithm,
                                psa_key_id_t *id)
{
#if USMP_WITH_AES_GCM
  if (suite == USMP_CIPHER_AES256_GCM) {
    *algorithm = PSA_ALG_GCM;
    return import(PSA_KEY_TYPE_AES, usage, *algorithm, key, USMP_KEY_SIZE, id);
  }
#endif
#if USMP_WITH_CHACHA20_POLY1305
  if (suite == USMP_CIPHER_CHACHA20_POLY1305) {
    *algorithm = PSA_ALG_CHACHA20_POLY1305;
    return import(PSA_KEY_TYPE_CHACHA20, usage, *algorithm, key, USMP_KEY_SIZE, id);
  }
#endif
  return PSA_ERROR_NOT_SUPPORTED;
}

static int seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  psa_algorithm_t algorithm;
  psa_key_id_t id;
  size_t out_len;

  psa_status_t status = import_aead(suite, PSA_KEY_USAGE_ENCRYPT, key, &algorithm, &id);
  if (status != PSA_SUCCESS) return USMP_ERR_CRYPTO_FAILED;
  status = psa_aead_encrypt(id, algorithm, nonce, USMP_NONCE_SIZE, aad, USMP_AAD_SIZE, text, len, text, len + USMP_TAG_SIZE,
                            &out_len);
  psa_destroy_key(id);
  return status == PSA_SUCCESS ? 0 : USMP_ERR_CRYPTO_FAILED;
}

static int open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  psa_algorithm_t algorithm;
  psa_key_id_t id;
  size_t out_len;

  psa_status_t status = import_aead(suite, PSA_KEY_USAGE_DECRYPT, key, &algorithm, &id);
  if (status != PSA_SUCCESS) return USMP_ERR_CRYPTO_FAILED;
  status = psa_aead_decrypt(id, algorithm, nonce, USMP_NONCE_SIZE, aad, USMP_AAD_SIZE, text, len + USMP_TAG_SIZE, out, len,
                            &out_len);
  psa_destroy_key(id);
  if (status == PSA_SUCCESS) return 0;
  usmp_wipe(out, len);
  return status == PSA_ERROR_INVALID_SIGNATURE ? USMP_ERR_DECRYPT_FAILED : USMP_ERR_CRYPTO_FAILED;
}

const usmp_crypto_t usmp_crypto_psa = {hmac_sha256, x25519, seal, open};
