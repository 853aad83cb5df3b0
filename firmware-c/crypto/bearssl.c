#include <bearssl.h>
#include <string.h>

#include "usmp/crypto_bearssl.h"
#include "usmp/errors.h"

static int hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  br_hmac_key_context key_context;
  br_hmac_context context;

  br_hmac_key_init(&key_context, &br_sha256_vtable, key, key_len);
  br_hmac_init(&context, &key_context, 0);
  br_hmac_update(&context, data, len);
  br_hmac_out(&context, mac);
  usmp_wipe(&key_context, sizeof key_context);
  usmp_wipe(&context, sizeof context);
  return 0;
}

static int x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  static const uint8_t base_point[USMP_KEY_SIZE] = {9};

  memcpy(out, peer ? peer : base_point, USMP_KEY_SIZE);
  /* BearSSL clamps the scalar, and takes it as it stands in RFC 7748. */
  uint32_t done = br_ec_c25519_m31.mul(out, USMP_KEY_SIZE, secret, USMP_KEY_SIZE, BR_EC_curve25519);
  return done == 1 ? 0 : USMP_ERR_CRYPTO_FAILED;
}

#if USMP_WITH_AES_GCM
static void gcm_run(bool encrypt, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, uint8_t *text, size_t len,
                    uint8_t tag[USMP_TAG_SIZE])
{
  br_aes_ct_ctr_keys aes;
  br_gcm_context gcm;

  br_aes_ct_ctr_init(&aes, key, USMP_KEY_SIZE);
  br_gcm_init(&gcm, &aes.vtable, br_ghash_ctmul32);
  br_gcm_reset(&gcm, nonce, USMP_NONCE_SIZE);
  br_gcm_aad_inject(&gcm, aad, USMP_AAD_SIZE);
  br_gcm_flip(&gcm);
  br_gcm_run(&gcm, encrypt, text, len);
  br_gcm_get_tag(&gcm, tag);
  usmp_wipe(&aes, sizeof aes);
  usmp_wipe(&gcm, sizeof gcm);
}
#endif

static int run(uint8_t suite, bool encrypt, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, uint8_t *text,
               size_t len, uint8_t tag[USMP_TAG_SIZE])
{
#if USMP_WITH_AES_GCM
  if (suite == USMP_CIPHER_AES256_GCM) {
    gcm_run(encrypt, key, nonce, aad, text, len, tag);
    return 0;
  }
#endif
#if USMP_WITH_CHACHA20_POLY1305
  if (suite == USMP_CIPHER_CHACHA20_POLY1305) {
    br_poly1305_ctmul32_run(key, nonce, text, len, aad, USMP_AAD_SIZE, tag, br_chacha20_ct_run, encrypt);
    return 0;
  }
#endif
  return USMP_ERR_CRYPTO_FAILED;
}

static int seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  return run(suite, true, key, nonce, aad, text, len, text + len);
}

static int open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  uint8_t tag[USMP_TAG_SIZE];

  memcpy(out, text, len);
  int err = run(suite, false, key, nonce, aad, out, len, tag);
  if (err == 0 && !usmp_equal(tag, text + len, sizeof tag)) err = USMP_ERR_DECRYPT_FAILED;
  if (err) usmp_wipe(out, len);
  return err;
}

const usmp_crypto_t usmp_crypto_bearssl = {hmac_sha256, x25519, seal, open};
