#include "slot_table.h"

static void put_u32(uint8_t *out, uint32_t value)
{
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *in)
{
  return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static int checked(int result)
{
  return result == 0 ? 0 : USMP_SLOTS_FLASH_ERROR;
}

int usmp_slots_slot_of(const usmp_slot_entry_t *entry)
{
  return (int)((entry->sequence - 1) & 1u);
}

/* ---- entries ---- */

static usmp_slot_entry_t decode(const uint8_t bytes[USMP_SLOT_ENTRY_SIZE])
{
  usmp_slot_entry_t entry = {
    .sequence = get_u32(bytes),
    .state = (usmp_slot_state_t)(int32_t)get_u32(bytes + 4),
    .image_size = get_u32(bytes + 8),
    .image_crc = get_u32(bytes + 12),
  };
  entry.intact = get_u32(bytes + 16) == usmp_flash_crc(0, bytes, 16) && entry.sequence != 0 && entry.sequence != UINT32_MAX;
  return entry;
}

int usmp_slots_read(const usmp_flash_t *flash, usmp_slot_table_t *table)
{
  for (uint32_t i = 0; i < 2; i++) {
    uint8_t bytes[USMP_SLOT_ENTRY_SIZE];
    if (flash->read(flash->ctx, USMP_FLASH_STATE, i * flash->sector, bytes, sizeof bytes) != 0) return USMP_SLOTS_FLASH_ERROR;
    table->entry[i] = decode(bytes);
  }
  return 0;
}

static int erase_entry(const usmp_flash_t *flash, int index)
{
  return checked(flash->erase(flash->ctx, USMP_FLASH_STATE, (uint32_t)index * flash->sector));
}

/* A cut within leaves this entry without a right CRC, never a wrong entry: the CRC is written last. */
static int write_entry(const usmp_flash_t *flash, int index, const usmp_slot_entry_t *entry)
{
  uint8_t bytes[USMP_SLOT_ENTRY_SIZE];

  put_u32(bytes, entry->sequence);
  put_u32(bytes + 4, (uint32_t)entry->state);
  put_u32(bytes + 8, entry->image_size);
  put_u32(bytes + 12, entry->image_crc);
  put_u32(bytes + 16, usmp_flash_crc(0, bytes, 16));
  if (erase_entry(flash, index) != 0) return USMP_SLOTS_FLASH_ERROR;
  return checked(flash->program(flash->ctx, USMP_FLASH_STATE, (uint32_t)index * flash->sector, bytes, sizeof bytes));
}

static bool may_boot(const usmp_slot_entry_t *entry)
{
  if (!entry->intact) return false;
  return entry->state != USMP_SLOT_INVALID && entry->state != USMP_SLOT_ABORTED;
}

int usmp_slots_active(const usmp_slot_table_t *table)
{
  bool first = may_boot(&table->entry[0]);
  bool second = may_boot(&table->entry[1]);

  if (first && second) return table->entry[1].sequence > table->entry[0].sequence ? 1 : 0;
  return first ? 0 : second ? 1 : -1;
}

int usmp_slots_find(const usmp_slot_table_t *table, int slot)
{
  for (int i = 0; i < 2; i++)
    if (table->entry[i].intact && usmp_slots_slot_of(&table->entry[i]) == slot) return i;
  return -1;
}

/* ---- the boot loader ---- */

static int set_state(const usmp_flash_t *flash, usmp_slot_table_t *table, int index, usmp_slot_state_t state)
{
  table->entry[index].state = state;
  return write_entry(flash, index, &table->entry[index]);
}

/* What was on trial at the last start, and was not confirmed, has had its chance. */
static int abort_pending(const usmp_flash_t *flash, usmp_slot_table_t *table)
{
  for (int i = 0; i < 2; i++) {
    if (!table->entry[i].intact || table->entry[i].state != USMP_SLOT_PENDING_VERIFY) continue;
    if (set_state(flash, table, i, USMP_SLOT_ABORTED) != 0) return USMP_SLOTS_FLASH_ERROR;
  }
  return 0;
}

static bool holds_image(const usmp_flash_t *flash, const usmp_slot_entry_t *entry)
{
  uint32_t crc;
  if (entry->image_size == 0) return true;
  if (entry->image_size > flash->slot_size) return false;
  usmp_flash_area_t area = (usmp_flash_area_t)usmp_slots_slot_of(entry);
  return usmp_flash_area_crc(flash, area, entry->image_size, &crc) == 0 && crc == entry->image_crc;
}

/* A table without any entry is that of a device whose first image came by cable, into slot 0. */
static int first_start(const usmp_flash_t *flash)
{
  const usmp_slot_entry_t entry = {.sequence = 1, .state = USMP_SLOT_VALID};
  return write_entry(flash, 0, &entry) == 0 ? 0 : USMP_SLOTS_FLASH_ERROR;
}

/* The one start that a new image has is counted before it begins. */
static int start_of(const usmp_flash_t *flash, usmp_slot_table_t *table, int active)
{
  usmp_slot_entry_t *entry = &table->entry[active];

  if (entry->state == USMP_SLOT_NEW && set_state(flash, table, active, USMP_SLOT_PENDING_VERIFY) != 0)
    return USMP_SLOTS_FLASH_ERROR;
  return usmp_slots_slot_of(entry);
}

/* Whatever was said of the images: one of them, whole, is better than none. As ESP-IDF's boot loader, which tries every slot then. */
static int last_resort(const usmp_flash_t *flash, const usmp_slot_table_t *table)
{
  int newer = table->entry[1].intact && (!table->entry[0].intact || table->entry[1].sequence > table->entry[0].sequence) ? 1
                                                                                                                         : 0;
  const int order[2] = {newer, !newer};

  for (int i = 0; i < 2; i++) {
    const usmp_slot_entry_t *entry = &table->entry[order[i]];
    if (entry->intact && entry->image_size > 0 && holds_image(flash, entry)) return usmp_slots_slot_of(entry);
  }
  return USMP_SLOTS_NOTHING_BOOTS;
}

int usmp_slots_choose(const usmp_flash_t *flash)
{
  usmp_slot_table_t table;

  if (usmp_slots_read(flash, &table) != 0) return USMP_SLOTS_FLASH_ERROR;
  if (!table.entry[0].intact && !table.entry[1].intact) return first_start(flash);
  if (abort_pending(flash, &table) != 0) return USMP_SLOTS_FLASH_ERROR;
  for (;;) {
    int active = usmp_slots_active(&table);
    if (active < 0) return last_resort(flash, &table);
    usmp_slot_entry_t *entry = &table.entry[active];
    if (holds_image(flash, entry)) return start_of(flash, &table, active);
    /* The last one keeps its state: what cannot be read now may be readable at the next start. */
    if (!may_boot(&table.entry[!active])) return last_resort(flash, &table);
    if (set_state(flash, &table, active, USMP_SLOT_INVALID) != 0) return USMP_SLOTS_FLASH_ERROR;
  }
}

/* ---- the running program ---- */

int usmp_slots_forget_other(const usmp_flash_t *flash, int running)
{
  usmp_slot_table_t table;

  if (usmp_slots_read(flash, &table) != 0) return USMP_SLOTS_FLASH_ERROR;
  int other = usmp_slots_find(&table, !running);
  return other < 0 ? 0 : erase_entry(flash, other);
}

int usmp_slots_set_boot(const usmp_flash_t *flash, int running, uint32_t image_size, uint32_t image_crc)
{
  usmp_slot_table_t table;

  if (usmp_slots_read(flash, &table) != 0) return USMP_SLOTS_FLASH_ERROR;
  int own = usmp_slots_find(&table, running);
  if (own < 0) return USMP_SLOTS_FLASH_ERROR;
  const usmp_slot_entry_t entry = {
    .sequence = table.entry[own].sequence + 1,
    .state = USMP_SLOT_NEW,
    .image_size = image_size,
    .image_crc = image_crc,
  };
  return write_entry(flash, !own, &entry);
}

int usmp_slots_mark(const usmp_flash_t *flash, int running, usmp_slot_state_t state)
{
  usmp_slot_table_t table;

  if (usmp_slots_read(flash, &table) != 0) return USMP_SLOTS_FLASH_ERROR;
  int own = usmp_slots_find(&table, running);
  if (own < 0) return USMP_SLOTS_FLASH_ERROR;
  return table.entry[own].state == state ? 0 : set_state(flash, &table, own, state);
}

bool usmp_slots_may_go_back(const usmp_flash_t *flash, int running)
{
  usmp_slot_table_t table;

  if (usmp_slots_read(flash, &table) != 0) return false;
  int other = usmp_slots_find(&table, !running);
  return other >= 0 && may_boot(&table.entry[other]) && holds_image(flash, &table.entry[other]);
}
