/* A flash in memory whose power can be cut in the middle of any operation. */
#ifndef MEM_FLASH_H
#define MEM_FLASH_H

#include <setjmp.h>
#include <stdbool.h>

#include "ota_flash.h"

#define MEM_FLASH_SECTOR 4096u
#define MEM_FLASH_SLOT_SIZE (4 * MEM_FLASH_SECTOR)
/* Bytes that are programmed at once, as a page of a chip: a cut leaves whole units before it and none behind it. */
#define MEM_FLASH_UNIT 32u

/* What a cut leaves of the operation under way: nothing of it, its first half, its second half, or all of it. */
typedef enum mem_flash_tear { TEAR_NOTHING, TEAR_FIRST_HALF, TEAR_SECOND_HALF, TEAR_ALL, TEARS } mem_flash_tear_t;

typedef struct mem_flash {
  usmp_flash_t flash;
  uint8_t areas[USMP_FLASH_AREAS][MEM_FLASH_SLOT_SIZE];
  unsigned long operations; /* so far: programmed units and erased sectors */
  unsigned long cut_at;     /* the power goes in this one, counted from 1; 0: never */
  mem_flash_tear_t tear;
  jmp_buf power_off; /* where the program is left */
} mem_flash_t;

/* All blank, without a cut. */
void mem_flash_init(mem_flash_t *memory);

#endif
