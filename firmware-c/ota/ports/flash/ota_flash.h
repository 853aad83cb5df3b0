/* The flash memory under two slots: what the slot table, the record store and the slots need of it. A port fills the table;
   ports/posix keeps the areas in files, ports/qemu_virt in the parallel flash of an emulated board.

   Flash as chips have it: `erase` sets a whole sector to 0xFF, `program` turns ones into zeros only. A power cut may leave
   either half done. Every function returns 0, or less than 0 when it failed; what it left behind is then not known. */
#ifndef USMP_OTA_FLASH_H
#define USMP_OTA_FLASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The areas. STATE and RECORD have two sectors each: one copy in each. */
typedef enum usmp_flash_area {
  USMP_FLASH_SLOT_0 = 0,
  USMP_FLASH_SLOT_1 = 1,
  USMP_FLASH_STATE = 2,
  USMP_FLASH_RECORD = 3
} usmp_flash_area_t;

#define USMP_FLASH_AREAS 4
#define USMP_FLASH_BLANK 0xFFu

typedef struct usmp_flash {
  void *ctx;
  uint32_t slot_size; /* bytes of one slot; a multiple of `sector` */
  uint32_t sector;    /* bytes that one `erase` covers; a power of two */
  int (*read)(void *ctx, usmp_flash_area_t area, uint32_t offset, void *data, size_t len);
  int (*program)(void *ctx, usmp_flash_area_t area, uint32_t offset, const void *data, size_t len);
  int (*erase)(void *ctx, usmp_flash_area_t area, uint32_t offset); /* `offset` is where the sector begins */
} usmp_flash_t;

/* CRC-32 (ISO-HDLC) over one more part; begin with 0. */
uint32_t usmp_flash_crc(uint32_t crc, const void *data, size_t len);

/* CRC-32 of the first `len` bytes of an area. 0, or what `read` returned. */
int usmp_flash_area_crc(const usmp_flash_t *flash, usmp_flash_area_t area, uint32_t len, uint32_t *crc);

#ifdef __cplusplus
}
#endif
#endif
