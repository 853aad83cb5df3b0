/* Two slots and a record in a flash: the table of states, row by row, and a power cut in every operation of an update, its
   confirmation and its way back. After each the boot loader starts the old image or the new one, whole; and the update can be made
   once more. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "mem_flash.h"
#include "ota_slots.h"
#include "record_store.h"
#include "slot_table.h"

#define IMAGE_SIZE 9001u /* three sectors, the last one not full */
#define CHUNK 440u

static mem_flash_t memory;
static usmp_ota_slots_t slots;
static uint8_t old_image[IMAGE_SIZE];
static uint8_t new_image[IMAGE_SIZE];

static const usmp_ota_port_t *port = &usmp_ota_slots_port;

static void fill(uint8_t *image, uint32_t seed)
{
  for (size_t i = 0; i < IMAGE_SIZE; i++) {
    seed = seed * 1664525u + 1013904223u;
    image[i] = (uint8_t)(seed >> 24);
  }
}

/* A device from the factory: its image came by cable into slot 0. */
static int new_device(void **state)
{
  (void)state;
  fill(old_image, 1);
  fill(new_image, 2);
  mem_flash_init(&memory);
  memcpy(memory.areas[USMP_FLASH_SLOT_0], old_image, IMAGE_SIZE);
  return 0;
}

static int start(void)
{
  int slot = usmp_slots_choose(&memory.flash);
  if (slot >= 0) usmp_ota_slots_init(&slots, &memory.flash, slot);
  return slot;
}

static bool slot_holds(int slot, const uint8_t *image)
{
  return memcmp(memory.areas[slot], image, IMAGE_SIZE) == 0;
}

/* 0, or -1 when a function of the port failed. */
static int receive(const uint8_t *image, uint32_t from)
{
  if (port->begin(&slots, IMAGE_SIZE, from) != 0) return -1;
  for (uint32_t at = from; at < IMAGE_SIZE; at += CHUNK) {
    uint32_t n = IMAGE_SIZE - at < CHUNK ? IMAGE_SIZE - at : CHUNK;
    if (port->write(&slots, at, image + at, n) != 0) return -1;
  }
  return port->finish(&slots);
}

static int update(const uint8_t *image)
{
  return receive(image, 0) != 0 ? -1 : port->activate(&slots);
}

static uint8_t running_state(void)
{
  usmp_ota_slot_t running, other;
  assert_int_equal(port->state(&slots, &running, &other), 0);
  return running.state;
}

static uint8_t other_state(void)
{
  usmp_ota_slot_t running, other;
  assert_int_equal(port->state(&slots, &running, &other), 0);
  return other.state;
}

/* ---- the table of states ---- */

static void first_image_boots_from_slot_0_and_is_valid(void **state)
{
  (void)state;
  assert_int_equal(start(), 0);
  assert_int_equal(running_state(), USMP_OTA_SLOT_VALID);
  assert_int_equal(other_state(), USMP_OTA_SLOT_UNDEFINED);
  assert_int_equal(start(), 0);
}

static void new_boots_once_as_pending_and_is_aborted_by_the_next_start(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  assert_int_equal(other_state(), USMP_OTA_SLOT_NEW);
  assert_int_equal(start(), 1);
  assert_int_equal(running_state(), USMP_OTA_SLOT_PENDING);
  assert_int_equal(other_state(), USMP_OTA_SLOT_VALID);
  assert_int_equal(start(), 0);
  assert_int_equal(running_state(), USMP_OTA_SLOT_VALID);
  assert_int_equal(other_state(), USMP_OTA_SLOT_ABORTED);
  assert_int_equal(start(), 0);
}

static void finished_image_does_not_boot_and_can_be_made_active_after_a_restart(void **state)
{
  (void)state;
  start();
  assert_int_equal(receive(new_image, 0), 0);
  for (int i = 0; i < 2; i++) assert_int_equal(start(), 0);
  assert_int_equal(port->activate(&slots), 0);
  assert_int_equal(port->activate(&slots), 0);
  assert_int_equal(start(), 1);
}

static void image_that_decayed_is_not_made_active(void **state)
{
  (void)state;
  start();
  assert_int_equal(receive(new_image, 0), 0);
  memory.areas[1][IMAGE_SIZE - 1] ^= 1;
  assert_int_not_equal(port->activate(&slots), 0);
  assert_int_equal(start(), 0);
}

static void image_as_large_as_the_slot(void **state)
{
  static uint8_t large[MEM_FLASH_SLOT_SIZE - USMP_OTA_SLOT_FOOTER];
  (void)state;
  start();
  memset(large, 0x5a, sizeof large);
  assert_int_equal(port->begin(&slots, sizeof large, 0), 0);
  for (uint32_t at = 0; at < sizeof large; at += CHUNK) {
    uint32_t left = (uint32_t)sizeof large - at;
    assert_int_equal(port->write(&slots, at, large + at, left < CHUNK ? left : CHUNK), 0);
  }
  assert_int_equal(port->finish(&slots), 0);
  assert_int_equal(port->activate(&slots), 0);
  assert_int_equal(start(), 1);
}

static void valid_boots_again_and_again(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  start();
  assert_int_equal(port->confirm(&slots), 0);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(start(), 1);
    assert_int_equal(running_state(), USMP_OTA_SLOT_VALID);
  }
}

static void invalid_never_boots(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  start();
  assert_int_equal(port->revert(&slots), 0);
  assert_int_equal(running_state(), USMP_OTA_SLOT_INVALID);
  assert_int_equal(start(), 0);
  assert_int_equal(other_state(), USMP_OTA_SLOT_INVALID);
}

/* An entry that some other program wrote: ESP-IDF's without roll-back notes no state. */
static void undefined_boots_without_limits(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  assert_int_equal(usmp_slots_mark(&memory.flash, 1, USMP_SLOT_UNDEFINED), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(start(), 1);
  assert_int_equal(running_state(), USMP_OTA_SLOT_UNDEFINED);
}

static void updates_go_back_and_forth_between_the_slots(void **state)
{
  (void)state;
  int slot = start();
  for (int i = 0; i < 9; i++) {
    assert_int_equal(update(i % 2 == 0 ? new_image : old_image), 0);
    assert_int_equal(start(), !slot);
    slot = !slot;
    assert_int_equal(port->confirm(&slots), 0);
  }
}

static void going_back_is_refused_when_there_is_nothing_to_go_back_to(void **state)
{
  (void)state;
  start();
  assert_int_not_equal(port->revert(&slots), 0);
  assert_int_equal(running_state(), USMP_OTA_SLOT_VALID);
  assert_int_equal(start(), 0);
}

static void image_that_decayed_gives_way_to_the_other(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  start();
  assert_int_equal(port->confirm(&slots), 0);
  memory.areas[1][5000] ^= 1;
  assert_int_equal(start(), 0);
  assert_int_equal(other_state(), USMP_OTA_SLOT_INVALID);
}

static void better_an_image_that_was_given_up_than_none(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  start();
  assert_int_equal(port->confirm(&slots), 0);
  assert_int_equal(update(old_image), 0);
  assert_int_equal(start(), 0);
  assert_int_equal(start(), 1); /* slot 0 is aborted now */
  memory.areas[1][5000] ^= 1;
  assert_int_equal(start(), 0);
  memory.areas[0][5000] ^= 1;
  assert_int_equal(start(), USMP_SLOTS_NOTHING_BOOTS);
}

static void slot_that_is_being_overwritten_never_boots(void **state)
{
  (void)state;
  start();
  assert_int_equal(update(new_image), 0);
  start();
  assert_int_equal(port->confirm(&slots), 0);
  assert_int_equal(port->begin(&slots, IMAGE_SIZE, 0), 0);
  assert_int_equal(other_state(), USMP_OTA_SLOT_UNDEFINED);
  memory.areas[1][5000] ^= 1; /* even then */
  assert_int_equal(start(), USMP_SLOTS_NOTHING_BOOTS);
}

/* ---- what the port refuses ---- */

static void port_keeps_within_its_slot(void **state)
{
  uint8_t byte = 0;
  (void)state;
  start();
  assert_int_not_equal(port->begin(&slots, 0, 0), 0);
  assert_int_not_equal(port->begin(&slots, MEM_FLASH_SLOT_SIZE - USMP_OTA_SLOT_FOOTER + 1, 0), 0);
  assert_int_not_equal(port->write(&slots, 0, &byte, 1), 0); /* nothing was begun */
  assert_int_not_equal(port->activate(&slots), 0);
  assert_int_equal(port->begin(&slots, 10, 0), 0);
  assert_int_not_equal(port->write(&slots, 10, &byte, 1), 0);
  assert_int_not_equal(port->write(&slots, UINT32_MAX, &byte, 1), 0);
  assert_int_not_equal(port->activate(&slots), 0); /* not finished */
  assert_int_not_equal(port->read(&slots, MEM_FLASH_SLOT_SIZE, &byte, 1), 0);
  assert_int_not_equal(port->read(&slots, UINT32_MAX, &byte, 1), 0);
  assert_true(slot_holds(0, old_image));
}

static void what_stands_before_the_offset_stays(void **state)
{
  (void)state;
  start();
  assert_int_equal(port->begin(&slots, IMAGE_SIZE, 0), 0);
  assert_int_equal(port->write(&slots, 0, new_image, 4096), 0);
  assert_int_equal(port->write(&slots, 4096, new_image + 4096, 100), 0);
  assert_int_equal(receive(new_image, 4096), 0);
  assert_true(slot_holds(1, new_image));
}

static int fail_program(void *ctx, usmp_flash_area_t area, uint32_t offset, const void *data, size_t len)
{
  (void)ctx, (void)area, (void)offset, (void)data, (void)len;
  return 0; /* says that it was done */
}

static void flash_that_does_not_keep_what_is_written_is_told(void **state)
{
  (void)state;
  start();
  memory.flash.program = fail_program;
  assert_int_equal(receive(new_image, 0), -1);
}

/* ---- the record ---- */

static void record_is_told_from_none_and_from_a_damaged_one(void **state)
{
  uint8_t record[USMP_OTA_RECORD_SIZE], loaded[USMP_OTA_RECORD_SIZE];
  (void)state;
  start();
  assert_int_equal(port->load(&slots, loaded, sizeof loaded), USMP_OTA_NO_RECORD);
  for (uint8_t i = 1; i < 6; i++) {
    memset(record, i, sizeof record);
    assert_int_equal(port->store(&slots, record, sizeof record), 0);
    assert_int_equal(port->load(&slots, loaded, sizeof loaded), 0);
    assert_memory_equal(loaded, record, sizeof record);
  }
  memory.areas[USMP_FLASH_RECORD][20] ^= 1; /* 5, the newest: the one before counts */
  assert_int_equal(port->load(&slots, loaded, sizeof loaded), 0);
  assert_int_equal(loaded[0], 4);
  memory.areas[USMP_FLASH_RECORD][MEM_FLASH_SECTOR + 20] ^= 1;
  int result = port->load(&slots, loaded, sizeof loaded);
  assert_true(result != 0 && result != USMP_OTA_NO_RECORD);
}

/* ---- a power cut in each operation ---- */

typedef enum run { RUN_CONFIRM, RUN_CRASH, RUN_REVERT, RUNS } run_t;

/* A life from the factory to two updates, with a record that changes as the state machine changes it. */
static void live(run_t run)
{
  uint8_t record[USMP_OTA_RECORD_SIZE];

  start();
  memset(record, 1, sizeof record);
  port->store(&slots, record, sizeof record);
  update(new_image);
  start();
  memset(record, 2, sizeof record);
  port->store(&slots, record, sizeof record);
  if (run == RUN_CONFIRM) port->confirm(&slots);
  if (run == RUN_REVERT) port->revert(&slots);
  start();
  update(run == RUN_CONFIRM ? old_image : new_image);
  start();
  port->confirm(&slots);
}

static void device_that_lost_power(run_t run, unsigned long cut_at, mem_flash_tear_t tear)
{
  new_device(NULL);
  memory.cut_at = cut_at;
  memory.tear = tear;
  if (setjmp(memory.power_off) == 0) live(run);
  memory.cut_at = 0;
}

static void check_after_cut(void)
{
  uint8_t record[USMP_OTA_RECORD_SIZE];
  /* Whatever happened, it boots, and what boots is one of the two images, whole; so is the next start. */
  for (int again = 0; again < 2; again++) {
    int slot = start();
    assert_in_range(slot, 0, 1);
    assert_true(slot_holds(slot, old_image) || slot_holds(slot, new_image));
  }
  int loaded = port->load(&slots, record, sizeof record);
  assert_true(loaded == USMP_OTA_NO_RECORD || (loaded == 0 && (record[0] == 1 || record[0] == 2)));
  if (loaded == 0) assert_memory_equal(record, record + 1, sizeof record - 1);
  /* And the update can be made from here. */
  int before = slots.running;
  assert_int_equal(update(new_image), 0);
  assert_int_equal(start(), !before);
  assert_int_equal(port->confirm(&slots), 0);
  assert_int_equal(start(), !before);
  assert_true(slot_holds(!before, new_image));
}

static void cut_everywhere(run_t run)
{
  device_that_lost_power(run, 0, TEAR_ALL);
  unsigned long operations = memory.operations;
  assert_true(operations > 2 * IMAGE_SIZE / MEM_FLASH_UNIT);
  for (unsigned long at = 1; at <= operations; at++) {
    for (int tear = TEAR_NOTHING; tear < TEARS; tear++) {
      device_that_lost_power(run, at, (mem_flash_tear_t)tear);
      check_after_cut();
    }
  }
}

static void power_cut_in_an_update_that_is_confirmed(void **state)
{
  (void)state;
  cut_everywhere(RUN_CONFIRM);
}

static void power_cut_in_an_update_that_crashes(void **state)
{
  (void)state;
  cut_everywhere(RUN_CRASH);
}

static void power_cut_in_an_update_that_is_given_up(void **state)
{
  (void)state;
  cut_everywhere(RUN_REVERT);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(first_image_boots_from_slot_0_and_is_valid, new_device),
    cmocka_unit_test_setup(new_boots_once_as_pending_and_is_aborted_by_the_next_start, new_device),
    cmocka_unit_test_setup(finished_image_does_not_boot_and_can_be_made_active_after_a_restart, new_device),
    cmocka_unit_test_setup(image_that_decayed_is_not_made_active, new_device),
    cmocka_unit_test_setup(image_as_large_as_the_slot, new_device),
    cmocka_unit_test_setup(valid_boots_again_and_again, new_device),
    cmocka_unit_test_setup(invalid_never_boots, new_device),
    cmocka_unit_test_setup(undefined_boots_without_limits, new_device),
    cmocka_unit_test_setup(updates_go_back_and_forth_between_the_slots, new_device),
    cmocka_unit_test_setup(going_back_is_refused_when_there_is_nothing_to_go_back_to, new_device),
    cmocka_unit_test_setup(image_that_decayed_gives_way_to_the_other, new_device),
    cmocka_unit_test_setup(better_an_image_that_was_given_up_than_none, new_device),
    cmocka_unit_test_setup(slot_that_is_being_overwritten_never_boots, new_device),
    cmocka_unit_test_setup(port_keeps_within_its_slot, new_device),
    cmocka_unit_test_setup(what_stands_before_the_offset_stays, new_device),
    cmocka_unit_test_setup(flash_that_does_not_keep_what_is_written_is_told, new_device),
    cmocka_unit_test_setup(record_is_told_from_none_and_from_a_damaged_one, new_device),
    cmocka_unit_test_setup(power_cut_in_an_update_that_is_confirmed, new_device),
    cmocka_unit_test_setup(power_cut_in_an_update_that_crashes, new_device),
    cmocka_unit_test_setup(power_cut_in_an_update_that_is_given_up, new_device),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
