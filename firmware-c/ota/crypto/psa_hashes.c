#include <psa/crypto.h>

#include "usmp_ota_crypto.h"

/* psa_crypto_init may be called again and again. The first time is usmp_ota_init's, which a program calls before it has other threads.
   On an ESP32 the hash is made by hardware. */
_Static_assert(sizeof(psa_hash_operation_t) <= sizeof(usmp_sha256_state_t), "raise USMP_SHA256_STATE_SIZE");

static int begin(usmp_sha256_state_t *state)
{
  psa_hash_operation_t *operation = (psa_hash_operation_t *)state;

  if (psa_crypto_init() != PSA_SUCCESS) return -1;
  *operation = psa_hash_operation_init();
  return psa_hash_setup(operation, PSA_ALG_SHA_256) == PSA_SUCCESS ? 0 : -1;
}

static int update(usmp_sha256_state_t *state, const uint8_t *data, size_t len)
{
  return psa_hash_update((psa_hash_operation_t *)state, data, len) == PSA_SUCCESS ? 0 : -1;
}

static int finish(usmp_sha256_state_t *state, uint8_t *digest)
{
  psa_hash_operation_t *operation = (psa_hash_operation_t *)state;
  size_t written;

  if (!digest) {
    psa_hash_abort(operation);
    return 0;
  }
  psa_status_t status = psa_hash_finish(operation, digest, USMP_SHA256_SIZE, &written);
  if (status == PSA_SUCCESS && written == USMP_SHA256_SIZE) return 0;
  psa_hash_abort(operation);
  return -1;
}

static int sha512(const uint8_t first[64], const uint8_t *second, size_t len, uint8_t digest[USMP_SHA512_SIZE])
{
  psa_hash_operation_t operation = psa_hash_operation_init();
  size_t written = 0;

  psa_status_t status = psa_crypto_init();
  if (status == PSA_SUCCESS) status = psa_hash_setup(&operation, PSA_ALG_SHA_512);
  if (status == PSA_SUCCESS) status = psa_hash_update(&operation, first, 64);
  if (status == PSA_SUCCESS) status = psa_hash_update(&operation, second, len);
  if (status == PSA_SUCCESS) status = psa_hash_finish(&operation, digest, USMP_SHA512_SIZE, &written);
  if (status == PSA_SUCCESS && written == USMP_SHA512_SIZE) return 0;
  psa_hash_abort(&operation);
  return -1;
}

const usmp_hashes_t usmp_ota_psa_hashes = {.begin = begin, .update = update, .finish = finish, .sha512 = sha512};
