#include "usmp/cobs.h"

#include "usmp/errors.h"

size_t usmp_cobs_encode(const uint8_t *in, size_t len, uint8_t *out)
{
  size_t code_at = 0;
  size_t at = 1;
  uint8_t code = 1;

  for (size_t i = 0; i < len; i++) {
    uint8_t byte = in[i];
    if (code == 0xFF) {
      out[code_at] = code;
      code_at = at++;
      code = 1;
    }
    if (byte != 0) {
      out[at++] = byte;
      code++;
    } else {
      out[code_at] = code;
      code_at = at++;
      code = 1;
    }
  }
  out[code_at] = code;
  return at;
}

int usmp_cobs_decode(uint8_t *bytes, size_t len)
{
  size_t from = 0;
  size_t to = 0;

  while (from < len) {
    uint8_t code = bytes[from++];
    if (code == 0 || (size_t)(code - 1) > len - from) return USMP_ERR_BAD_COBS;
    for (uint8_t i = 1; i < code; i++) {
      if (bytes[from] == 0) return USMP_ERR_BAD_COBS;
      bytes[to++] = bytes[from++];
    }
    if (code != 0xFF && from < len) bytes[to++] = 0;
  }
  return (int)to;
}
