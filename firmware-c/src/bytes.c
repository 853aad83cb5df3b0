#include "usmp/bytes.h"

uint16_t usmp_load16(const uint8_t bytes[2])
{
  return (uint16_t)(bytes[0] | bytes[1] << 8);
}

uint32_t usmp_load32(const uint8_t bytes[4])
{
  return (uint32_t)usmp_load16(bytes) | (uint32_t)usmp_load16(bytes + 2) << 16;
}

void usmp_store16(uint8_t bytes[2], uint16_t value)
{
  bytes[0] = (uint8_t)value;
  bytes[1] = (uint8_t)(value >> 8);
}

void usmp_store32(uint8_t bytes[4], uint32_t value)
{
  usmp_store16(bytes, (uint16_t)value);
  usmp_store16(bytes + 2, (uint16_t)(value >> 16));
}

bool usmp_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
  const volatile uint8_t *x = a; /* every byte is read, whatever the first ones are */
  const volatile uint8_t *y = b;
  unsigned difference = 0;
  while (len--) difference |= (unsigned)(*x++ ^ *y++);
  return difference == 0;
}

bool usmp_is_zero(const uint8_t *bytes, size_t len)
{
  bool same = usmp_equal(bytes, bytes + 1, len - 1);
  return same && bytes[0] == 0;
}

void usmp_wipe(void *secret, size_t len)
{
  volatile uint8_t *p = (volatile uint8_t *)secret;
  while (len--) *p++ = 0;
}
