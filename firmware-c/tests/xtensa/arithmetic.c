/* What Debian's libgcc for the lx106 lacks: multiplication and division that the processor cannot do.
   Espressif's libgcc has them all. */
#include <stdint.h>

uint64_t __muldi3(uint64_t a, uint64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);

/* 32 x 32 -> 64 from halves: the compiler has a 16-bit multiplication. */
static uint64_t multiply(uint32_t a, uint32_t b)
{
  uint32_t a0 = a & 0xFFFF, a1 = a >> 16, b0 = b & 0xFFFF, b1 = b >> 16;
  uint32_t low = a0 * b0;
  uint32_t middle = a1 * b0 + (low >> 16); /* cannot overflow */
  uint32_t other = a0 * b1 + (middle & 0xFFFF);
  uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
  return (uint64_t)high << 32 | (other << 16 | (low & 0xFFFF));
}

uint64_t __muldi3(uint64_t a, uint64_t b)
{
  uint32_t cross = (uint32_t)(a >> 32) * (uint32_t)b + (uint32_t)a * (uint32_t)(b >> 32);
  return multiply((uint32_t)a, (uint32_t)b) + ((uint64_t)cross << 32);
}

static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
  uint32_t quotient = 0;
  *rest = 0;
  for (int bit = 31; bit >= 0; bit--) {
    uint32_t carry = *rest >> 31;
    *rest = *rest << 1 | (a >> bit & 1);
    if (carry || *rest >= b) {
      *rest -= b;
      quotient |= 1u << bit;
    }
  }
  return quotient;
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
  uint32_t rest;
  return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
  uint32_t rest;
  (void)divide(a, b, &rest);
  return rest;
}

int32_t __divsi3(int32_t a, int32_t b)
{
  uint32_t rest;
  uint32_t quotient = divide(a < 0 ? 0u - (uint32_t)a : (uint32_t)a, b < 0 ? 0u - (uint32_t)b : (uint32_t)b, &rest);
  return (int32_t)((a < 0) == (b < 0) ? quotient : 0u - quotient);
}
