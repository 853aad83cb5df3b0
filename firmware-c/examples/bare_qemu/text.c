#include "text.h"

#include <string.h>

void text_clear(text_t *t)
{
  t->len = 0;
  t->at[0] = 0;
}

void text_add_bytes(text_t *t, const uint8_t *bytes, size_t len)
{
  size_t room = TEXT_SIZE - 1 - t->len;
  if (len > room) len = room;
  memcpy(t->at + t->len, bytes, len);
  t->len += len;
  t->at[t->len] = 0;
}

void text_add(text_t *t, const char *words)
{
  text_add_bytes(t, (const uint8_t *)words, strlen(words));
}

static void add_digits(text_t *t, uint64_t number, size_t least)
{
  uint8_t digits[20];
  size_t at = sizeof digits;
  while (number > 0 || sizeof digits - at < least) {
    digits[--at] = (uint8_t)('0' + number % 10);
    number /= 10;
  }
  text_add_bytes(t, digits + at, sizeof digits - at);
}

void text_add_number(text_t *t, uint64_t number)
{
  add_digits(t, number, 1);
}

void text_add_thousandths(text_t *t, int32_t number)
{
  uint32_t size = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
  if (number < 0) text_add(t, "-");
  add_digits(t, size / 1000, 1);
  text_add(t, ".");
  add_digits(t, size % 1000, 3);
}
