/* Which crypto table a test program was built with. */
#ifndef USMP_TESTS_BACKEND_H
#define USMP_TESTS_BACKEND_H

#ifdef USMP_TEST_psa
#include <psa/crypto.h>

#include "usmp/crypto_psa.h"
#define TEST_CRYPTO (&usmp_crypto_psa)
#define TEST_CRYPTO_INIT() (psa_crypto_init() == PSA_SUCCESS)
#elif defined(USMP_TEST_toy)
#include "toy_crypto.h"
#define TEST_CRYPTO (&toy_crypto)
#define TEST_CRYPTO_INIT() true
#else
#include "usmp/crypto_bearssl.h"
#define TEST_CRYPTO (&usmp_crypto_bearssl)
#define TEST_CRYPTO_INIT() true
#endif

#endif
