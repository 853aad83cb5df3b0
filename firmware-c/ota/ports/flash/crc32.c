#include "ota_flash.h"

/* Half a byte at a time: 64 bytes of table. */
static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                   0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                   0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

uint32_t usmp_flash_crc(uint32_t crc, const void *data, size_t len)
{
  const uint8_t *bytes = data;

  crc = ~crc;
  for (size_t i = 0; i < len; i++) {
    crc ^= bytes[i];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}

int usmp_flash_area_crc(const usmp_flash_t *flash, usmp_flash_area_t area, uint32_t len, uint32_t *crc)
{
  uint8_t part[256];

  *crc = 0;
  for (uint32_t at = 0; at < len;) {
    uint32_t n = len - at < sizeof part ? len - at : (uint32_t)sizeof part;
    int err = flash->read(flash->ctx, area, at, part, n);
    if (err != 0) return err;
    *crc = usmp_flash_crc(*crc, part, n);
    at += n;
  }
  return 0;
}
