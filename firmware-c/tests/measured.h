/* What the programs that measure have in common: a key, and bytes that are the same in every run. */
#ifndef USMP_TESTS_MEASURED_H
#define USMP_TESTS_MEASURED_H

#include <string.h>

#include "usmp/config.h"

static const uint8_t measured_psk[32] = {1, 2, 3, 4, 5, 6, 7, 8};

static inline int measured_random(void *context, uint8_t *out, size_t len)
{
  static uint8_t n;
  (void)context;
  memset(out, ++n, len);
  return 0;
}

static inline int measured_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = measured_psk;
  found->psk_len = sizeof measured_psk;
  return 0;
}

/* The configuration of either side. */
static inline usmp_config_t measured_config(const usmp_crypto_t *crypto, uint8_t suite)
{
  return (usmp_config_t){.crypto = crypto,
                         .random = measured_random,
                         .find_psk = measured_find_psk,
                         .psk = measured_psk,
                         .psk_len = sizeof measured_psk,
                         .suite = suite};
}

#endif
