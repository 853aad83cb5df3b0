#include "key_file.h"

#include <stdio.h>
#include <string.h>

#include "usmp/bytes.h"

#define RAW_KEY 32
#define MAX_KEY 64

static int hex_value(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes that hexadecimal digits stand for, white space aside; 0 when the text is anything else. */
static size_t from_hex(const char *text, size_t len, uint8_t *out, size_t size)
{
  size_t digits = 0;

  for (size_t i = 0; i < len; i++) {
    if (strchr(" \t\r\n", text[i]) && text[i]) continue;
    int value = hex_value(text[i]);
    if (value < 0 || digits / 2 >= size) return 0;
    out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] << 4 | value : value);
    digits++;
  }
  return digits % 2 ? 0 : digits / 2;
}

size_t read_key_file(const char *path, uint8_t *out, size_t size)
{
  char text[4 * MAX_KEY];
  FILE *file = fopen(path, "rb");

  if (!file) return 0;
  setvbuf(file, NULL, _IONBF, 0); /* no copy of the key in a buffer */
  size_t len = fread(text, 1, sizeof text, file);
  fclose(file);
  size_t key_len = from_hex(text, len, out, size);
  if (key_len == 0 && len == RAW_KEY && size >= RAW_KEY) {
    memcpy(out, text, RAW_KEY);
    key_len = RAW_KEY;
  }
  usmp_wipe(text, sizeof text);
  return key_len;
}
