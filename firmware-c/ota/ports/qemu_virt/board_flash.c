/* A parallel NOR flash with Intel's command set: two chips of 16 bits side by side, so each command stands in both halves of a word. */
#include "board_flash.h"

#include <string.h>

#define BOTH(command) ((uint32_t)(command) << 16 | (uint32_t)(command))
#define READ_ARRAY BOTH(0xFF)
#define CLEAR_STATUS BOTH(0x50)
#define BLOCK_ERASE BOTH(0x20)
#define CONFIRM BOTH(0xD0)
#define WRITE_BUFFER BOTH(0xE8)
#define READY BOTH(0x80)
/* Bytes that are programmed at once: a part of the chips' buffer. */
#define PAGE 256u
#define FAULTS BOTH(0x3A) /* erase, program, voltage, lock */

static const uint32_t begins[USMP_FLASH_AREAS] = {0, BOARD_SLOT_SIZE, 2 * BOARD_SLOT_SIZE,
                                                  2 * BOARD_SLOT_SIZE + 2 * BOARD_FLASH_SECTOR};

static uint32_t size_of(usmp_flash_area_t area)
{
  return area == USMP_FLASH_SLOT_0 || area == USMP_FLASH_SLOT_1 ? BOARD_SLOT_SIZE : 2 * BOARD_FLASH_SECTOR;
}

static volatile uint32_t *word_at(usmp_flash_area_t area, uint32_t offset)
{
  return (volatile uint32_t *)(uintptr_t)(BOARD_FLASH_BASE + begins[area] + offset);
}

static int is_within(usmp_flash_area_t area, uint32_t offset, size_t len)
{
  return (unsigned)area < USMP_FLASH_AREAS && offset <= size_of(area) && len <= size_of(area) - offset;
}

/* Until both chips are ready; then they show their contents again. */
static int settle(volatile uint32_t *word)
{
  uint32_t status;

  do {
    status = *word;
  } while ((status & READY) != READY);
  *word = CLEAR_STATUS;
  *word = READ_ARRAY;
  return (status & FAULTS) == 0 ? 0 : -1;
}

static int board_read(void *ctx, usmp_flash_area_t area, uint32_t offset, void *data, size_t len)
{
  (void)ctx;
  if (!is_within(area, offset, len)) return -1;
  uint8_t *out = data;
  for (size_t i = 0; i < len; i++) {
    uint32_t at = offset + (uint32_t)i;
    out[i] = (uint8_t)(*word_at(area, at & ~3u) >> 8 * (at & 3u));
  }
  return 0;
}

/* A word as it shall be: bytes that are not ours are programmed as they are, which changes nothing. */
static uint32_t next_word(uint32_t word, uint32_t *at, const uint8_t **bytes, size_t *len)
{
  for (unsigned byte = *at & 3u; byte < 4 && *len > 0; byte++, (*at)++, (*bytes)++, (*len)--)
    word &= ~(0xFFu << 8 * byte) | (uint32_t) * *bytes << 8 * byte;
  return word;
}

/* Up to the end of a page. */
static int program_page(usmp_flash_area_t area, uint32_t at, const uint8_t *bytes, size_t len)
{
  uint32_t words[PAGE / 4];
  uint32_t count = 0;
  volatile uint32_t *first = word_at(area, at & ~3u);

  while (len > 0) {
    uint32_t word = *word_at(area, at & ~3u);
    words[count++] = next_word(word, &at, &bytes, &len);
  }
  *first = WRITE_BUFFER;
  *first = BOTH(count - 1);
  for (uint32_t i = 0; i < count; i++) first[i] = words[i];
  *first = CONFIRM;
  return settle(first);
}

static int board_program(void *ctx, usmp_flash_area_t area, uint32_t offset, const void *data, size_t len)
{
  const uint8_t *bytes = data;

  (void)ctx;
  if (!is_within(area, offset, len)) return -1;
  while (len > 0) {
    uint32_t n = PAGE - offset % PAGE;
    if (n > len) n = (uint32_t)len;
    if (program_page(area, offset, bytes, n) != 0) return -1;
    offset += n;
    bytes += n;
    len -= n;
  }
  return 0;
}

static int board_erase(void *ctx, usmp_flash_area_t area, uint32_t offset)
{
  (void)ctx;
  if (offset % BOARD_FLASH_SECTOR != 0 || !is_within(area, offset, BOARD_FLASH_SECTOR)) return -1;
  volatile uint32_t *word = word_at(area, offset);
  *word = BLOCK_ERASE;
  *word = CONFIRM;
  return settle(word);
}

const usmp_flash_t board_flash = {NULL, BOARD_SLOT_SIZE, BOARD_FLASH_SECTOR, board_read, board_program, board_erase};
