#include "usmp_port.h"

#ifdef USMP_POSIX_bearssl

#include "usmp/crypto_bearssl.h"

const usmp_crypto_t *usmp_port_crypto(void)
{
  return &usmp_crypto_bearssl;
}

#else

#include <psa/crypto.h>
#include <pthread.h>

#include "usmp/crypto_psa.h"

/* The PSA of mbedTLS before 3.6 has one table of keys and no lock of its own: two sessions in two threads
   would meet in it. */
static pthread_mutex_t psa_lock = PTHREAD_MUTEX_INITIALIZER;

#define LOCKED(call)                     \
  do {                                   \
    pthread_mutex_lock(&psa_lock);       \
    int result = usmp_crypto_psa.call;   \
    pthread_mutex_unlock(&psa_lock);     \
    return result;                       \
  } while (0)

static int hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                       uint8_t mac[USMP_MAC_SIZE])
{
  LOCKED(hmac_sha256(key, key_len, data, len, mac));
}

static int x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  LOCKED(x25519(secret, peer, out));
}

static int seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  LOCKED(seal(suite, key, nonce, aad, text, len));
}

static int open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  LOCKED(open(suite, key, nonce, aad, text, len, out));
}

static const usmp_crypto_t locked_psa = {hmac_sha256, x25519, seal, open};

const usmp_crypto_t *usmp_port_crypto(void)
{
  pthread_mutex_lock(&psa_lock);
  psa_status_t status = psa_crypto_init();
  pthread_mutex_unlock(&psa_lock);
  return status == PSA_SUCCESS ? &locked_psa : NULL;
}

#endif
