/* A gateway that says anything, to a device whose power and flash may fail: the input is a list of what happens. Whatever it is, what
   runs is whole, what is staged is the image of a good manifest, and the counter never falls. */
#include <stdlib.h>
#include <string.h>

#include "ota_test_crypto.h"
#include "played_device.h"

static played_t device;
static release_t releases[2];
static release_t factory;

static void must(bool holds)
{
  if (!holds) abort();
}

typedef struct input {
  const uint8_t *at;
  size_t left;
} input_t;

static uint8_t next_byte(input_t *input)
{
  if (input->left == 0) return 0;
  input->left--;
  return *input->at++;
}

/* In memory of exactly that size; given back by the caller. */
static uint8_t *next_bytes(input_t *input, size_t wanted, size_t *len)
{
  *len = wanted < input->left ? wanted : input->left;
  uint8_t *bytes = malloc(*len > 0 ? *len : 1);
  if (bytes && *len > 0) memcpy(bytes, input->at, *len);
  input->at += *len;
  input->left -= *len;
  return bytes;
}

static void message(input_t *input)
{
  size_t len;
  uint8_t *bytes = next_bytes(input, (size_t)next_byte(input) * 2, &len);

  if (bytes && !usmp_ota_receive(&device.ota, bytes, len, device.now)) {
    device.answer_len = usmp_rpc_receive(&device.rpc, bytes, len, device.now, device.answer, sizeof device.answer);
  }
  free(bytes);
}

static void boot(void)
{
  memset(device.fails, 0, sizeof device.fails);
  must(device_boot(&device) == 0);
}

/* The next chunks, as they should be; of which image the input says. */
static void serve(const release_t *image, uint8_t count)
{
  for (uint8_t i = 0; i < count && device.ota.offset < image->size; i++) device_chunk(&device, image, device.ota.offset);
}

static void happen(input_t *input)
{
  uint8_t what = next_byte(input);
  uint8_t how = next_byte(input);
  const release_t *image = &releases[how & 1];

  switch (what % 10) {
    case 0: message(input); break;
    case 1: (void)device_offer(&device, image); break;
    case 2: serve(image, how >> 1); break;
    case 3: device.versions[1 - device.running] = image->version, (void)device_apply(&device, image); break;
    case 4: boot(); break;
    case 5: usmp_ota_begin_session(&device.ota, device.now); break;
    case 6: usmp_ota_end_session(&device.ota); break;
    case 7: device.fails[how % CALLS] = how & 0x80 ? 1 : 0; break;
    case 8: device.now += (uint32_t)how * how * 8; break;
    default: how & 1 ? usmp_ota_self_test_passed(&device.ota) : usmp_ota_self_test_failed(&device.ota);
  }
  for (int i = 0; i < 4; i++) (void)device_poll(&device);
}

static bool is_whole(int slot)
{
  for (int i = 0; i < 2; i++) {
    if (memcmp(device.slots[slot], releases[i].image, releases[i].size) == 0) return true;
  }
  return memcmp(device.slots[slot], factory.image, factory.size) == 0;
}

static void make_releases(void)
{
  static publisher_t publisher;

  must(ota_test_crypto_init());
  publisher = publisher_of(1);
  release_make(&factory, &publisher, USMP_OTA_VERSION(1, 0, 0), 0, 5000, 1);
  release_make(&releases[0], &publisher, USMP_OTA_VERSION(1, 1, 0), 1, 9001, 2);
  release_make(&releases[1], &publisher, USMP_OTA_VERSION(1, 2, 0), 2, 4400, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  input_t input = {data, size};

  if (factory.size == 0) make_releases();
  device_make(&device, factory.publisher);
  memcpy(device.slots[0], factory.image, factory.size);
  boot();
  usmp_ota_begin_session(&device.ota, 0);
  while (input.left > 0) {
    uint32_t counter = device.ota.record.trust.counter;
    happen(&input);
    must(device.ota.record.trust.counter >= counter && is_whole(device.running));
    must(device.ota.record.phase != 2 || is_whole(1 - device.running)); /* staged */
  }
  return 0;
}
