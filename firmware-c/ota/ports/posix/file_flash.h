/* The flash of a program of this machine: a folder with one file for each area (slot0.bin, slot1.bin, state.bin, record.bin).
   It behaves as flash does: sectors of 4 KiB are erased to 0xFF, programming turns ones into zeros. What the boot loader
   decides by (state and record) is on the disk when a call returns, and the slots before it. */
#ifndef USMP_FILE_FLASH_H
#define USMP_FILE_FLASH_H

#include "ota_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_FILE_FLASH_SECTOR 4096u
#define USMP_FILE_FLASH_SLOT_SIZE (4u << 20)

typedef struct usmp_file_flash {
  usmp_flash_t flash; /* give this to the others */
  int files[USMP_FLASH_AREAS];
} usmp_file_flash_t;

/* Opens the files, blank if they are not there yet. `slot_size`: bytes, a multiple of the sector. 0, or -1 with errno. */
int usmp_file_flash_open(usmp_file_flash_t *file_flash, const char *folder, uint32_t slot_size);
void usmp_file_flash_close(usmp_file_flash_t *file_flash);

#ifdef __cplusplus
}
#endif
#endif
