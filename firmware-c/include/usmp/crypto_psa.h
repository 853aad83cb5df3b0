/* Crypto table over the PSA Crypto API: mbedTLS 2.28, 3.6 and 4, so ESP-IDF 5.x and 6.x.
   psa_crypto_init() must have returned PSA_SUCCESS before the first use.
   Before mbedTLS 3.6 (and without its threading option) PSA must not be entered by two threads at once: a port with
   threads puts a lock around this table, as ports/posix/crypto.c does. */
#ifndef USMP_CRYPTO_PSA_H
#define USMP_CRYPTO_PSA_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const usmp_crypto_t usmp_crypto_psa;

#ifdef __cplusplus
}
#endif
#endif
