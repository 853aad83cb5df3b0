/* PSA Crypto, one call at a time: before mbedTLS 3.6 it has one table of keys and no lock of its own, and two
   sessions in two tasks would meet in it. */
#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <psa/crypto.h>

#include "usmp/crypto_psa.h"
#include "usmp_port.h"

static StaticSemaphore_t lock_memory;
static SemaphoreHandle_t lock;

/* Before any task can ask for it. */
__attribute__((constructor)) static void make_lock(void)
{
  lock = xSemaphoreCreateMutexStatic(&lock_memory);
}

#define LOCKED(call)                    \
  do {                                  \
    xSemaphoreTake(lock, portMAX_DELAY);\
    int result = usmp_crypto_psa.call;  \
    xSemaphoreGive(lock);               \
    return result;                      \
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
  xSemaphoreTake(lock, portMAX_DELAY);
  psa_status_t status = psa_crypto_init();
  xSemaphoreGive(lock);
  return status == PSA_SUCCESS ? &locked_psa : NULL;
}
