/* Consistent Overhead Byte Stuffing: bytes without a zero, so that a zero can end a packet. */
#ifndef USMP_COBS_H
#define USMP_COBS_H

#include <stddef.h>
#include <stdint.h>

#include "usmp/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* At most this many bytes come out of usmp_cobs_encode. */
#define USMP_COBS_BOUND(len) ((len) + (len) / 254 + 1)

/* Returns the encoded length. `in` may lie in the same buffer, if it starts at least
   len / 254 + 1 bytes behind `out`. */
size_t usmp_cobs_encode(const uint8_t *in, size_t len, uint8_t *out);

/* Decodes in place, without the packet's zero. Returns the decoded length or USMP_ERR_BAD_COBS. */
USMP_MUST_CHECK int usmp_cobs_decode(uint8_t *bytes, size_t len);

#ifdef __cplusplus
}
#endif
#endif
