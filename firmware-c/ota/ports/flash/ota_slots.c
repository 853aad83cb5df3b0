#include "ota_slots.h"

#include <string.h>

#include "record_store.h"
#include "slot_table.h"

#define FAILED (-1)

void usmp_ota_slots_init(usmp_ota_slots_t *slots, const usmp_flash_t *flash, int running)
{
  memset(slots, 0, sizeof *slots);
  slots->flash = flash;
  slots->running = running == 0 ? 0 : 1;
}

static usmp_flash_area_t other_slot(const usmp_ota_slots_t *slots)
{
  return slots->running == 0 ? USMP_FLASH_SLOT_1 : USMP_FLASH_SLOT_0;
}

/* ---- the image ---- */

static uint32_t image_room(const usmp_ota_slots_t *slots)
{
  return slots->flash->slot_size - USMP_OTA_SLOT_FOOTER;
}

/* The sector is erased once more when the image reaches it. */
static int erase_footer(const usmp_ota_slots_t *slots)
{
  const usmp_flash_t *flash = slots->flash;
  return flash->erase(flash->ctx, other_slot(slots), flash->slot_size - flash->sector) == 0 ? 0 : FAILED;
}

static int begin(void *ctx, uint32_t size, uint32_t from)
{
  usmp_ota_slots_t *slots = ctx;
  uint32_t sector = slots->flash->sector;

  slots->size = 0;
  if (size == 0 || size > image_room(slots) || from > size) return FAILED;
  /* First of all, so that no power cut starts what is half written. */
  if (usmp_slots_forget_other(slots->flash, slots->running) != 0) return FAILED;
  if (from == 0 && erase_footer(slots) != 0) return FAILED;
  slots->size = size;
  /* A sector that is begun keeps what stands in it: behind `from` it is blank, or holds the same bytes. */
  slots->erased_to = from / sector * sector + (from % sector != 0 ? sector : 0);
  return 0;
}

static int erase_up_to(usmp_ota_slots_t *slots, uint32_t end)
{
  const usmp_flash_t *flash = slots->flash;

  while (slots->erased_to < end) {
    if (flash->erase(flash->ctx, other_slot(slots), slots->erased_to) != 0) return FAILED;
    slots->erased_to += flash->sector;
  }
  return 0;
}

static bool is_in_flash(const usmp_ota_slots_t *slots, uint32_t offset, const uint8_t *data, size_t len)
{
  uint8_t part[64];

  for (size_t at = 0; at < len;) {
    size_t n = len - at < sizeof part ? len - at : sizeof part;
    uint32_t where = offset + (uint32_t)at;
    if (slots->flash->read(slots->flash->ctx, other_slot(slots), where, part, n) != 0) return false;
    if (memcmp(part, data + at, n) != 0) return false;
    at += n;
  }
  return true;
}

static int write_part(void *ctx, uint32_t offset, const uint8_t *data, size_t len)
{
  usmp_ota_slots_t *slots = ctx;
  const usmp_flash_t *flash = slots->flash;

  if (offset > slots->size || len > slots->size - offset) return FAILED;
  if (erase_up_to(slots, offset + (uint32_t)len) != 0) return FAILED;
  if (flash->program(flash->ctx, other_slot(slots), offset, data, len) != 0) return FAILED;
  return is_in_flash(slots, offset, data, len) ? 0 : FAILED;
}

static int read_part(void *ctx, uint32_t offset, uint8_t *data, size_t len)
{
  const usmp_ota_slots_t *slots = ctx;
  uint32_t size = slots->flash->slot_size;

  if (offset > size || len > size - offset) return FAILED;
  return slots->flash->read(slots->flash->ctx, other_slot(slots), offset, data, len) == 0 ? 0 : FAILED;
}

/* size u32 | CRC of the image u32 | CRC of these two u32 */
#define FOOTER_USED 12

/* Writing the same footer over one that a power cut left half written makes it whole. */
static int finish(void *ctx)
{
  const usmp_ota_slots_t *slots = ctx;
  const usmp_flash_t *flash = slots->flash;
  uint8_t footer[FOOTER_USED];
  uint32_t crc;

  if (slots->size == 0 || usmp_flash_area_crc(flash, other_slot(slots), slots->size, &crc) != 0) return FAILED;
  usmp_store32(footer, slots->size);
  usmp_store32(footer + 4, crc);
  usmp_store32(footer + 8, usmp_flash_crc(0, footer, 8));
  if (flash->program(flash->ctx, other_slot(slots), image_room(slots), footer, sizeof footer) != 0) return FAILED;
  return is_in_flash(slots, image_room(slots), footer, sizeof footer) ? 0 : FAILED;
}

/* The image is looked at once more: it may have come before the last start. */
static int activate(void *ctx)
{
  const usmp_ota_slots_t *slots = ctx;
  const usmp_flash_t *flash = slots->flash;
  uint8_t footer[FOOTER_USED];
  uint32_t crc;

  if (flash->read(flash->ctx, other_slot(slots), image_room(slots), footer, sizeof footer) != 0) return FAILED;
  if (usmp_load32(footer + 8) != usmp_flash_crc(0, footer, 8)) return FAILED;
  uint32_t size = usmp_load32(footer);
  if (size == 0 || size > image_room(slots) || usmp_flash_area_crc(flash, other_slot(slots), size, &crc) != 0) return FAILED;
  if (crc != usmp_load32(footer + 4)) return FAILED;
  return usmp_slots_set_boot(flash, slots->running, size, crc) == 0 ? 0 : FAILED;
}

/* ---- the slots ---- */

static uint8_t state_of(const usmp_slot_table_t *table, int slot)
{
  int index = usmp_slots_find(table, slot);

  if (index < 0) return USMP_OTA_SLOT_UNDEFINED;
  switch (table->entry[index].state) {
    case USMP_SLOT_NEW: return USMP_OTA_SLOT_NEW;
    case USMP_SLOT_PENDING_VERIFY: return USMP_OTA_SLOT_PENDING;
    case USMP_SLOT_VALID: return USMP_OTA_SLOT_VALID;
    case USMP_SLOT_INVALID: return USMP_OTA_SLOT_INVALID;
    case USMP_SLOT_ABORTED: return USMP_OTA_SLOT_ABORTED;
    case USMP_SLOT_UNDEFINED: break;
  }
  return USMP_OTA_SLOT_UNDEFINED;
}

static int state(void *ctx, usmp_ota_slot_t *running, usmp_ota_slot_t *other)
{
  const usmp_ota_slots_t *slots = ctx;
  uint8_t next = slots->running == 0 ? 1 : 0;
  usmp_slot_table_t table;

  if (usmp_slots_read(slots->flash, &table) != 0) return FAILED;
  *running = (usmp_ota_slot_t){slots->running, state_of(&table, slots->running), image_room(slots)};
  *other = (usmp_ota_slot_t){next, state_of(&table, next), image_room(slots)};
  return 0;
}

static int confirm(void *ctx)
{
  const usmp_ota_slots_t *slots = ctx;
  return usmp_slots_mark(slots->flash, slots->running, USMP_SLOT_VALID) == 0 ? 0 : FAILED;
}

/* Only where the other slot may boot: a device that gives up its last image would be dead. */
static int revert(void *ctx)
{
  const usmp_ota_slots_t *slots = ctx;

  if (!usmp_slots_may_go_back(slots->flash, slots->running)) return FAILED;
  return usmp_slots_mark(slots->flash, slots->running, USMP_SLOT_INVALID) == 0 ? 0 : FAILED;
}

/* ---- the record ---- */

static int load(void *ctx, uint8_t *record, size_t len)
{
  const usmp_ota_slots_t *slots = ctx;
  int result = usmp_record_load(slots->flash, record, len);

  return result == USMP_RECORD_NONE ? USMP_OTA_NO_RECORD : result == 0 ? 0 : FAILED;
}

static int store(void *ctx, const uint8_t *record, size_t len)
{
  const usmp_ota_slots_t *slots = ctx;
  return usmp_record_store(slots->flash, record, len) == 0 ? 0 : FAILED;
}

const usmp_ota_port_t usmp_ota_slots_port = {
  .begin = begin,
  .write = write_part,
  .read = read_part,
  .finish = finish,
  .activate = activate,
  .state = state,
  .confirm = confirm,
  .revert = revert,
  .load = load,
  .store = store,
};
