/* The second flash of QEMU's RISC-V machine `virt` as two slots, for a boot loader and the images that it starts.

     offset     area
     0          slot 0, 1 MiB
     0x100000   slot 1, 1 MiB
     0x200000   state, two sectors of 256 KiB
     0x280000   record, two sectors

   QEMU keeps it in a file: -drive if=pflash,unit=1,format=raw,file=FILE, of 32 MiB. A fresh one is all 0xFF. */
#ifndef USMP_BOARD_FLASH_H
#define USMP_BOARD_FLASH_H

#include "ota_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BOARD_FLASH_BASE 0x22000000u
#define BOARD_FLASH_SECTOR 0x40000u
#define BOARD_SLOT_SIZE 0x100000u

/* Where the loader copies an image to, and starts it: its first instruction. */
#define BOARD_IMAGE_BASE 0x80010000u

/* What the loader tells the image, in memory that a reset leaves as it is. */
typedef struct board_handoff {
  uint32_t magic;
  uint32_t slot;   /* 0 or 1: from which the image was started */
  uint32_t starts; /* since the power came */
} board_handoff_t;
#define BOARD_HANDOFF ((volatile board_handoff_t *)0x80480000u)
#define BOARD_HANDOFF_MAGIC 0x4F464648u

extern const usmp_flash_t board_flash;

#ifdef __cplusplus
}
#endif
#endif
