/* See toy_crypto.c. Never for anything but tests. */
#ifndef USMP_TESTS_TOY_CRYPTO_H
#define USMP_TESTS_TOY_CRYPTO_H

#include "usmp/crypto.h"

extern const usmp_crypto_t toy_crypto;

#endif
