#include "record_store.h"

#include <stdbool.h>
#include <string.h>

/* number u32 | length u32 | record | CRC u32 of all before; little-endian. */
#define HEAD 8
#define MORE 12

typedef struct copy {
  bool intact;
  uint32_t number;
  uint8_t bytes[USMP_RECORD_MAX + MORE];
} copy_t;

static void put_u32(uint8_t *out, uint32_t value)
{
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *in)
{
  return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static int read_copy(const usmp_flash_t *flash, uint32_t index, size_t len, copy_t *copy)
{
  if (flash->read(flash->ctx, USMP_FLASH_RECORD, index * flash->sector, copy->bytes, len + MORE) != 0) return -1;
  copy->number = get_u32(copy->bytes);
  copy->intact = get_u32(copy->bytes + 4) == len &&
                 get_u32(copy->bytes + HEAD + len) == usmp_flash_crc(0, copy->bytes, HEAD + len);
  return 0;
}

static bool is_blank(const copy_t *copy, size_t len)
{
  for (size_t i = 0; i < len + MORE; i++)
    if (copy->bytes[i] != USMP_FLASH_BLANK) return false;
  return true;
}

#define NEVER_STORED (-1)
#define DAMAGED (-2)
#define READ_FAILED (-3)
/* Index of the copy that counts, which is then in `copy`; or one of the three. The second copy is blank until the record was
   stored twice: as long as it is, no copy at all means that the first time was cut. */
static int newest(const usmp_flash_t *flash, size_t len, copy_t *copy)
{
  copy_t second;

  if (read_copy(flash, 0, len, copy) != 0 || read_copy(flash, 1, len, &second) != 0) return READ_FAILED;
  if (second.intact && (!copy->intact || second.number > copy->number)) {
    *copy = second;
    return 1;
  }
  return copy->intact ? 0 : is_blank(&second, len) ? NEVER_STORED : DAMAGED;
}

int usmp_record_load(const usmp_flash_t *flash, void *record, size_t len)
{
  copy_t copy;

  if (len > USMP_RECORD_MAX) return -1;
  int index = newest(flash, len, &copy);
  if (index == NEVER_STORED) return USMP_RECORD_NONE;
  if (index < 0) return -1;
  memcpy(record, copy.bytes + HEAD, len);
  return 0;
}

int usmp_record_store(const usmp_flash_t *flash, const void *record, size_t len)
{
  copy_t copy;

  if (len > USMP_RECORD_MAX) return -1;
  int index = newest(flash, len, &copy);
  if (index == READ_FAILED) return -1;
  uint32_t at = index == 0 ? flash->sector : 0;
  put_u32(copy.bytes, index < 0 ? 1 : copy.number + 1);
  put_u32(copy.bytes + 4, (uint32_t)len);
  memcpy(copy.bytes + HEAD, record, len);
  put_u32(copy.bytes + HEAD + len, usmp_flash_crc(0, copy.bytes, HEAD + len));
  if (flash->erase(flash->ctx, USMP_FLASH_RECORD, at) != 0) return -1;
  return flash->program(flash->ctx, USMP_FLASH_RECORD, at, copy.bytes, len + MORE) == 0 ? 0 : -1;
}
