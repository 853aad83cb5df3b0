#include "mem_flash.h"

#include <string.h>

/* The part of an operation over `len` bytes that a cut leaves. */
static void torn_part(mem_flash_tear_t tear, size_t len, size_t *from, size_t *to)
{
  *from = tear == TEAR_SECOND_HALF ? len / 2 : 0;
  *to = tear == TEAR_FIRST_HALF ? len / 2 : tear == TEAR_NOTHING ? 0 : len;
}

/* Whether the power goes in this operation; `from` and `to` are what is carried out of it. */
static bool next_operation(mem_flash_t *memory, size_t len, size_t *from, size_t *to)
{
  bool cut = ++memory->operations == memory->cut_at;
  torn_part(cut ? memory->tear : TEAR_ALL, len, from, to);
  return cut;
}

static bool is_within(usmp_flash_area_t area, uint32_t offset, size_t len)
{
  return (unsigned)area < USMP_FLASH_AREAS && offset <= MEM_FLASH_SLOT_SIZE && len <= MEM_FLASH_SLOT_SIZE - offset;
}

static int mem_read(void *ctx, usmp_flash_area_t area, uint32_t offset, void *data, size_t len)
{
  mem_flash_t *memory = ctx;
  if (!is_within(area, offset, len)) return -1;
  memcpy(data, memory->areas[area] + offset, len);
  return 0;
}

static void program_unit(mem_flash_t *memory, uint8_t *at, const uint8_t *data, size_t len)
{
  size_t from, to;
  bool cut = next_operation(memory, len, &from, &to);
  for (size_t i = from; i < to; i++) at[i] = (uint8_t)(at[i] & data[i]);
  if (cut) longjmp(memory->power_off, 1);
}

static int mem_program(void *ctx, usmp_flash_area_t area, uint32_t offset, const void *data, size_t len)
{
  mem_flash_t *memory = ctx;
  const uint8_t *bytes = data;

  if (!is_within(area, offset, len)) return -1;
  while (len > 0) {
    size_t n = MEM_FLASH_UNIT - offset % MEM_FLASH_UNIT;
    if (n > len) n = len;
    program_unit(memory, memory->areas[area] + offset, bytes, n);
    offset += (uint32_t)n;
    bytes += n;
    len -= n;
  }
  return 0;
}

static int mem_erase(void *ctx, usmp_flash_area_t area, uint32_t offset)
{
  mem_flash_t *memory = ctx;
  size_t from, to;

  if (offset % MEM_FLASH_SECTOR != 0 || !is_within(area, offset, MEM_FLASH_SECTOR)) return -1;
  bool cut = next_operation(memory, MEM_FLASH_SECTOR, &from, &to);
  memset(memory->areas[area] + offset + from, USMP_FLASH_BLANK, to - from);
  if (cut) longjmp(memory->power_off, 1);
  return 0;
}

void mem_flash_init(mem_flash_t *memory)
{
  memset(memory, 0, sizeof *memory);
  memset(memory->areas, USMP_FLASH_BLANK, sizeof memory->areas);
  memory->flash = (usmp_flash_t){memory, MEM_FLASH_SLOT_SIZE, MEM_FLASH_SECTOR, mem_read, mem_program, mem_erase};
}
