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
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < len; i++) difference = (uint8_t)(difference | (a[i] ^ b[i]));
  return difference == 0;
}

bool usmp_is_zero(const uint8_t *bytes, size_t len)
{
  volatile uint8_t any = 0;
  for (size_t i = 0; i < len; i++) any = (uint8_t)(any | bytes[i]);
  return any == 0;
}

void usmp_wipe(void *secret, size_t len)
{
  volatile uint8_t *p = (volatile uint8_t *)secret;
  while (len--) *p++ = 0;
}
