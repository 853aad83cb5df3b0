/* Spans of a clock of 32 bits that wraps, in milliseconds. */
#ifndef USMP_TIMING_H
#define USMP_TIMING_H

#include <stdint.h>

#define USMP_SECOND 1000u

static inline uint32_t ms_or_default(uint32_t ms, uint32_t otherwise)
{
  return ms ? ms : otherwise;
}

/* What is left of `span` since `from`; right when the clock wraps. */
static inline uint32_t time_left(uint32_t from, uint32_t span, uint32_t now)
{
  uint32_t elapsed = now - from;
  return elapsed >= span ? 0 : span - elapsed;
}

static inline uint32_t shorter(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

static inline uint32_t longer(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

#endif
