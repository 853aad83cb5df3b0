/* Crypto table over the PSA Crypto API: mbedTLS 2.28, 3.6 and 4, so ESP-IDF 5.x and 6.x (what of that was run: docs/ports.md).
   psa_crypto_init() must have returned PSA_SUCCESS before the first use.
   Before mbedTLS 3.6 (and without its threading option) PSA has one table of keys and no lock of its own: two sessions in
   two threads would meet in it. A port with threads calls usmp_psa_start instead, and supplies the lock. */
#ifndef USMP_CRYPTO_PSA_H
#define USMP_CRYPTO_PSA_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const usmp_crypto_t usmp_crypto_psa;

/* crypto/psa_locked.c: calls psa_crypto_init() and returns the table with a lock around each call; null when the library
   did not start. */
const usmp_crypto_t *usmp_psa_start(void);

/* Of the port: one mutex for the whole program. */
void usmp_psa_lock(void);
void usmp_psa_unlock(void);

#ifdef __cplusplus
}
#endif
#endif
