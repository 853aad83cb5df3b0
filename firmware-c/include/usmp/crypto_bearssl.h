/* Crypto table over BearSSL: constant-time code for 32-bit processors, for every suite. */
#ifndef USMP_CRYPTO_BEARSSL_H
#define USMP_CRYPTO_BEARSSL_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const usmp_crypto_t usmp_crypto_bearssl;

#ifdef __cplusplus
}
#endif
#endif
