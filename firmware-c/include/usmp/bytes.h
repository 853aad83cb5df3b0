/* Little-endian integers by hand, and the two operations secrets need. */
#ifndef USMP_BYTES_H
#define USMP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define USMP_MUST_CHECK __attribute__((warn_unused_result))
#else
#define USMP_MUST_CHECK
#endif

uint16_t usmp_load16(const uint8_t bytes[2]);
uint32_t usmp_load32(const uint8_t bytes[4]);
void usmp_store16(uint8_t bytes[2], uint16_t value);
void usmp_store32(uint8_t bytes[4], uint32_t value);

/* True when both are the same, in a time that depends on the length alone. */
USMP_MUST_CHECK bool usmp_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* True when every byte of at least one is zero, in a time that depends on the length alone. */
USMP_MUST_CHECK bool usmp_is_zero(const uint8_t *bytes, size_t len);

/* Overwrites a secret; the compiler may not leave it out. */
void usmp_wipe(void *secret, size_t len);

#ifdef __cplusplus
}
#endif
#endif
