#include "publisher_key.h"

#include <stdio.h>
#include <string.h>

#include "key_file.h"

#define TEXT_MAX 512
/* SubjectPublicKeyInfo of RFC 8410: these bytes, then the key. */
static const uint8_t prefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
#define SPKI_SIZE (sizeof prefix + PUBLISHER_KEY_SIZE)

static int digit_of(char c)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

/* Base64 up to the first character that is none of it, white space aside. How many bytes; one more than `size` when there are more. */
static size_t from_base64(const char *text, uint8_t *out, size_t size)
{
  uint32_t bits = 0;
  int count = 0;
  size_t len = 0;

  for (; *text && *text != '=' && *text != '-'; text++) {
    int digit = digit_of(*text);
    if (digit < 0) continue;
    bits = (bits << 6 | (uint32_t)digit) & 0xFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    if (len == size) return size + 1;
    out[len++] = (uint8_t)(bits >> count);
  }
  return len;
}

static bool read_pem(const char *path, uint8_t key[PUBLISHER_KEY_SIZE])
{
  static const char begin[] = "-----BEGIN PUBLIC KEY-----";
  char text[TEXT_MAX + 1];
  uint8_t spki[SPKI_SIZE];
  FILE *file = fopen(path, "rb");

  if (!file) return false;
  text[fread(text, 1, TEXT_MAX, file)] = 0;
  fclose(file);
  const char *body = strstr(text, begin);
  if (!body || from_base64(body + sizeof begin - 1, spki, sizeof spki) != sizeof spki) return false;
  if (memcmp(spki, prefix, sizeof prefix) != 0) return false;
  memcpy(key, spki + sizeof prefix, PUBLISHER_KEY_SIZE);
  return true;
}

bool read_publisher_key(const char *path, uint8_t key[PUBLISHER_KEY_SIZE])
{
  return read_pem(path, key) || read_key_file(path, key, PUBLISHER_KEY_SIZE) == PUBLISHER_KEY_SIZE;
}
