/* The port of updates for ESP-IDF on this machine: image, states and record as the state machine uses them. Ends with 0, or tells
   what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_ota.h"
#include "usmp_ota_esp.h"

#define IMAGE_SIZE 10007u
#define CHUNK 440u

static usmp_ota_esp_t esp;
static const usmp_ota_port_t *port = &usmp_ota_esp_port;
static uint8_t image[IMAGE_SIZE];

static void expect(bool held, const char *what)
{
  if (held) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

static void new_chip(bool encrypted)
{
  host_ota_init();
  host_ota.encrypted = encrypted;
  for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(i * 7 + i / 256);
  image[0] = 0xe9;
  expect(usmp_ota_esp_init(&esp) == ESP_OK, "two app partitions are enough");
}

static bool write_from(uint32_t from, uint32_t to)
{
  for (uint32_t at = from; at < to; at += CHUNK) {
    uint32_t n = to - at < CHUNK ? to - at : CHUNK;
    if (port->write(&esp, at, image + at, n) != 0) return false;
  }
  return true;
}

/* As the hash of the state machine reads it, in steps that do not fit blocks. */
static bool reads_back(uint32_t len)
{
  uint8_t part[250];
  for (uint32_t at = 0; at < len; at += (uint32_t)sizeof part) {
    uint32_t n = len - at < sizeof part ? len - at : (uint32_t)sizeof part;
    if (port->read(&esp, at, part, n) != 0 || memcmp(part, image + at, n) != 0) return false;
  }
  return true;
}

static void image_is_written_read_and_made_active(bool encrypted)
{
  usmp_ota_slot_t running, other;

  new_chip(encrypted);
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0, "a transfer begins");
  for (uint32_t at = 0; at < IMAGE_SIZE; at += CHUNK) {
    uint32_t end = at + CHUNK < IMAGE_SIZE ? at + CHUNK : IMAGE_SIZE;
    expect(write_from(at, end) && reads_back(end), "what was written is read, before the image is whole");
  }
  expect(port->activate(&esp) != 0, "no image is made active before it was proven");
  expect(port->finish(&esp) == 0 && host_ota.open == 0, "the image is finished");
  expect(memcmp(host_ota.flash[1], image, IMAGE_SIZE) == 0, "the flash holds the image");
  expect(port->activate(&esp) == 0 && host_ota.boot == 1, "the next start is of the other slot");
  expect(port->state(&esp, &running, &other) == 0, "states are read");
  expect(running.index != other.index && running.size == HOST_OTA_SIZE, "the slots differ");
  expect(running.state == USMP_OTA_SLOT_UNDEFINED && other.state == USMP_OTA_SLOT_NEW, "the other one is new");
}

static void transfer_goes_on_after_a_restart(void)
{
  new_chip(true);
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0 && write_from(0, 4400), "more than a sector came");
  host_ota.open = 0; /* handles do not survive a restart */
  expect(usmp_ota_esp_init(&esp) == ESP_OK, "restarted");
  expect(port->begin(&esp, IMAGE_SIZE, 4096) == 0, "it goes on where a sector ended");
  expect(write_from(4096, IMAGE_SIZE) && reads_back(IMAGE_SIZE), "and the rest follows");
  expect(port->finish(&esp) == 0 && memcmp(host_ota.flash[1], image, IMAGE_SIZE) == 0, "the image is whole");
}

static void new_offer_ends_the_transfer_before(void)
{
  new_chip(false);
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0 && write_from(0, 880), "a transfer is under way");
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0 && host_ota.open == 1, "another begins, the handle of the first is given back");
  expect(write_from(0, IMAGE_SIZE) && reads_back(IMAGE_SIZE), "and has its own bytes");
}

static void what_does_not_fit_is_refused(void)
{
  uint8_t byte = 0xe9;

  new_chip(false);
  expect(port->begin(&esp, HOST_OTA_SIZE + 1, 0) != 0, "an image larger than the partition");
  expect(port->write(&esp, 0, &byte, 1) != 0, "bytes without a transfer");
  expect(port->finish(&esp) != 0, "an end without a transfer");
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0, "a transfer");
  expect(port->write(&esp, 440, &byte, 1) != 0, "bytes out of order");
  byte = 0;
  expect(port->write(&esp, 0, &byte, 1) != 0, "what is no image of this chip");
  expect(port->read(&esp, HOST_OTA_SIZE, &byte, 1) != 0 && port->read(&esp, UINT32_MAX, &byte, 1) != 0, "a read outside");
  host_ota.single = true;
  expect(usmp_ota_esp_init(&esp) == ESP_ERR_NOT_FOUND, "one app partition is not enough");
}

static void image_that_the_boot_loader_would_not_take(void)
{
  new_chip(false);
  host_ota.invalid_image = true;
  expect(port->begin(&esp, IMAGE_SIZE, 0) == 0 && write_from(0, IMAGE_SIZE), "it is received");
  expect(port->finish(&esp) != 0 && host_ota.open == 0, "esp_ota_end says no, and the handle is gone");
  expect(port->activate(&esp) != 0 && host_ota.boot == 0, "the next start is of the running image");
}

static void states_are_those_of_the_boot_loader(void)
{
  static const struct {
    esp_ota_img_states_t noted;
    uint8_t told;
  } rows[] = {
    {ESP_OTA_IMG_NEW, USMP_OTA_SLOT_NEW},         {ESP_OTA_IMG_PENDING_VERIFY, USMP_OTA_SLOT_PENDING},
    {ESP_OTA_IMG_VALID, USMP_OTA_SLOT_VALID},     {ESP_OTA_IMG_INVALID, USMP_OTA_SLOT_INVALID},
    {ESP_OTA_IMG_ABORTED, USMP_OTA_SLOT_ABORTED}, {ESP_OTA_IMG_UNDEFINED, USMP_OTA_SLOT_UNDEFINED},
  };
  usmp_ota_slot_t running, other;

  new_chip(false);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    host_ota.state[0] = rows[i].noted;
    expect(port->state(&esp, &running, &other) == 0 && running.state == rows[i].told, "a state is told as it is noted");
  }
  host_ota.state[0] = ESP_OTA_IMG_PENDING_VERIFY;
  expect(port->begin(&esp, IMAGE_SIZE, 0) != 0, "no second update before the first is confirmed");
  expect(port->confirm(&esp) == 0 && host_ota.state[0] == ESP_OTA_IMG_VALID, "confirmed");
  expect(port->revert(&esp) == 0 && host_ota.state[0] == ESP_OTA_IMG_INVALID && host_ota.boot == 1, "given up");
}

static void record_is_kept_and_no_record_is_no_failure(void)
{
  uint8_t record[USMP_OTA_RECORD_SIZE], loaded[USMP_OTA_RECORD_SIZE];

  new_chip(false);
  expect(port->load(&esp, loaded, sizeof loaded) == USMP_OTA_NO_RECORD, "none was stored yet");
  memset(record, 0x5a, sizeof record);
  expect(port->store(&esp, record, sizeof record) == 0, "stored");
  expect(port->load(&esp, loaded, sizeof loaded) == 0 && memcmp(record, loaded, sizeof record) == 0, "and loaded");
  host_ota.record_len--;
  int result = port->load(&esp, loaded, sizeof loaded);
  expect(result != 0 && result != USMP_OTA_NO_RECORD, "a record of another length is no record, and not none either");
  host_ota.nvs_fails = true;
  result = port->load(&esp, loaded, sizeof loaded);
  expect(result != 0 && result != USMP_OTA_NO_RECORD, "a failure is not taken for a new device");
  expect(port->store(&esp, record, sizeof record) != 0, "a failure to store is told");
}

int main(void)
{
  image_is_written_read_and_made_active(false);
  image_is_written_read_and_made_active(true);
  transfer_goes_on_after_a_restart();
  new_offer_ends_the_transfer_before();
  what_does_not_fit_is_refused();
  image_that_the_boot_loader_would_not_take();
  states_are_those_of_the_boot_loader();
  record_is_kept_and_no_record_is_no_failure();
  printf("ok\n");
  return 0;
}
