/* A record that survives power cuts: two copies, one in each sector of the area RECORD, each with a number and a CRC. Storing
   overwrites the older copy, so that after a cut the record is either the old one or the new one, whole. */
#ifndef USMP_RECORD_STORE_H
#define USMP_RECORD_STORE_H

#include "ota_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_RECORD_MAX 640
/* Nothing was ever stored, or the first time was cut. */
#define USMP_RECORD_NONE (-2)

/* 0, USMP_RECORD_NONE, or -1: the flash failed, or both copies are damaged. `len` up to USMP_RECORD_MAX, and always the same. */
int usmp_record_load(const usmp_flash_t *flash, void *record, size_t len);
/* 0, or -1: the flash failed; then the last record may be lost only if both copies were damaged. */
int usmp_record_store(const usmp_flash_t *flash, const void *record, size_t len);

#ifdef __cplusplus
}
#endif
#endif
