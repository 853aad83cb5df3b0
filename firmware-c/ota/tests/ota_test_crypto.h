/* Every pair of Ed25519 and SHA-256 that this build has. OTA_TEST_MONOCYPHER, _SODIUM, _PSA, _BEARSSL: which. */
#ifndef USMP_OTA_TEST_CRYPTO_H
#define USMP_OTA_TEST_CRYPTO_H

#include "usmp_ota_crypto.h"

#ifdef OTA_TEST_PSA
#include <psa/crypto.h>
#endif

typedef struct ota_test_crypto {
  const char *name;
  usmp_ota_crypto_t table;
} ota_test_crypto_t;

static const ota_test_crypto_t ota_test_crypto[] = {
#if defined(OTA_TEST_SODIUM) && defined(OTA_TEST_PSA)
  {"libsodium, PSA", {&usmp_ota_sodium, &usmp_ota_psa_hashes}},
#endif
#if defined(OTA_TEST_SODIUM) && defined(OTA_TEST_BEARSSL)
  {"libsodium, BearSSL", {&usmp_ota_sodium, &usmp_ota_bearssl_hashes}},
#endif
#if defined(OTA_TEST_MONOCYPHER) && defined(OTA_TEST_PSA)
  {"Monocypher, PSA", {&usmp_ota_monocypher, &usmp_ota_psa_hashes}},
#endif
#if defined(OTA_TEST_MONOCYPHER) && defined(OTA_TEST_BEARSSL)
  {"Monocypher, BearSSL", {&usmp_ota_monocypher, &usmp_ota_bearssl_hashes}},
#endif
};
enum { ota_test_crypto_count = sizeof ota_test_crypto / sizeof ota_test_crypto[0] };

static inline bool ota_test_crypto_init(void)
{
#ifdef OTA_TEST_PSA
  return psa_crypto_init() == PSA_SUCCESS;
#else
  return true;
#endif
}

#endif
