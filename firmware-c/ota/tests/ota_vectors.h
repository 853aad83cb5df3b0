/* Runs vectors/ota-manifest.json against a crypto table. Needs neither files nor a heap, so it runs on bare metal too. */
#ifndef USMP_OTA_VECTORS_H
#define USMP_OTA_VECTORS_H

#include "usmp_manifest.h"
#include "vectors.h"

/* `lines`: as tools/vectors_to_c.py writes them. left_out is 0: every case must be run. */
usmp_vector_count_t usmp_run_ota_vectors(const char *lines, const usmp_ota_crypto_t *crypto, usmp_vector_failed_fn failed);

#endif
