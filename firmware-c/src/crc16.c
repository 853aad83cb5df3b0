#include "usmp/crc16.h"

/* One table entry for each nibble: 32 bytes of flash, a quarter of the time of the bitwise loop. */
static const uint16_t nibble_table[16] = {
  0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
  0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
};

uint16_t usmp_crc16_update(uint16_t crc, const uint8_t *bytes, size_t len)
{
  while (len--) {
    crc = (uint16_t)(crc ^ *bytes++);
    crc = (uint16_t)((crc >> 4) ^ nibble_table[crc & 15]);
    crc = (uint16_t)((crc >> 4) ^ nibble_table[crc & 15]);
  }
  return crc;
}
