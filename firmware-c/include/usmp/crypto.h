/* What the core asks of a crypto library: one small table, synchronous, without state.
   HKDF is built on hmac_sha256 by the core. See usmp/crypto_psa.h and usmp/crypto_bearssl.h.

   The core calls the table while it handles a message or a command, in the thread that called the core. The functions must not
   call the core back, and must not keep a pointer that they were given. */
#ifndef USMP_CRYPTO_H
#define USMP_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "usmp/bytes.h"
#include "usmp/constants.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_crypto {
  /* Each returns 0, or USMP_ERR_CRYPTO_FAILED when the library failed. The core takes anything but 0 for a failure
     (usmp/callbacks.h). */

  int (*hmac_sha256)(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE]);

  /* out = X25519(secret, peer); a null peer means the base point. The secret is clamped here. A point of
     low order gives 32 zeros and no error: the core refuses it. */
  int (*x25519)(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE]);

  /* Encrypts `len` bytes in place and writes the tag right behind them. */
  int (*seal)(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
              const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len);

  /* Decrypts `len` bytes, whose tag stands right behind them, into `out` (which does not overlap).
     A wrong tag is USMP_ERR_DECRYPT_FAILED, and then nothing of the plaintext is left in `out`. */
  int (*open)(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
              const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out);
} usmp_crypto_t;

/* Two functions of the table with what they return judged (usmp/callbacks.h); the core calls them in no other way. Each gives
   0 or USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_hmac_sha256(const usmp_crypto_t *crypto, const uint8_t *key, size_t key_len, const uint8_t *data,
                                     size_t len, uint8_t mac[USMP_MAC_SIZE]);
USMP_MUST_CHECK int usmp_x25519(const usmp_crypto_t *crypto, const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer,
                                uint8_t out[USMP_KEY_SIZE]);

/* 0 or USMP_ERR_CRYPTO_FAILED. HKDF-SHA256 (RFC 5869) with 64 bytes of output, which may lie where ikm does. info_len is at most
   USMP_HKDF_INFO_MAX. */
#define USMP_HKDF_INFO_MAX 72
USMP_MUST_CHECK int usmp_hkdf64(const usmp_crypto_t *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                                size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t out[64]);

/* True for a suite this build contains. */
bool usmp_suite_available(uint8_t suite);

#ifdef __cplusplus
}
#endif
#endif
