/* The state machine over two slots, with a gateway that offers an update until the device is through with it. The power goes in every
   single operation on the flash, in four ways, from the first offer to the end. After that it may go no more, and:
   - at each start the boot loader finds the old image or the new one, whole;
   - a sound image ends up confirmed, with its counter, and nothing else;
   - one whose self-test fails ends up rolled back, which is told, and the old one runs with the old counter. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "mem_flash.h"
#include "ota_slots.h"
#include "slot_table.h"
#ifdef POWER_CUT_PSA
#include <psa/crypto.h>
#define HASHES &usmp_ota_psa_hashes
#else
#define HASHES &usmp_ota_bearssl_hashes
#endif

#define IMAGE_SIZE 9001u /* three sectors, the last one not full; 21 chunks */
#define NEW_COUNTER 7u
#define STARTS_MAX 8
#define POLLS_MAX 400

static mem_flash_t memory;
static uint8_t old_image[IMAGE_SIZE];
static uint8_t new_image[IMAGE_SIZE];
static uint8_t manifest[USMP_MANIFEST_MIN];
static char offer[512];
static char apply[256];

/* ---- a publisher whose one signature is known ---- */

static const uint8_t publisher[1][USMP_ED25519_KEY_SIZE] = {{9, 1, 2, 3}};
static uint8_t signature[USMP_ED25519_SIGNATURE_SIZE] = {66, 1, 2, 3};

static int verify(const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t hash[USMP_SHA512_SIZE],
                  const uint8_t given[USMP_ED25519_SIGNATURE_SIZE])
{
  (void)hash;
  return memcmp(key, publisher[0], sizeof publisher[0]) == 0 && memcmp(given, signature, sizeof signature) == 0 ? 0 : -1;
}

static int is_point(const uint8_t key[USMP_ED25519_KEY_SIZE])
{
  return memcmp(key, publisher[0], sizeof publisher[0]) == 0 ? 0 : -1;
}

static const usmp_ed25519_t ed25519 = {verify, is_point};
static const usmp_ota_crypto_t crypto = {&ed25519, HASHES};

static void put_u32(uint8_t *out, uint32_t value)
{
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static void write_manifest(void)
{
  uint8_t hash[USMP_SHA256_SIZE];

  memset(manifest, 0, sizeof manifest);
  memcpy(manifest, "UOTA\1\0\x60\0", 8);
  assert_int_equal(usmp_sha256(&crypto, publisher[0], sizeof publisher[0], hash), 0);
  memcpy(manifest + 8, hash, USMP_KEY_ID_SIZE);
  memcpy(manifest + 16, "lamp", 4);
  memcpy(manifest + 32, "board", 5);
  put_u32(manifest + 40, USMP_OTA_VERSION(2, 0, 0));
  put_u32(manifest + 44, NEW_COUNTER);
  put_u32(manifest + 52, IMAGE_SIZE);
  assert_int_equal(usmp_sha256(&crypto, new_image, sizeof new_image, manifest + 56), 0);
  memcpy(manifest + USMP_MANIFEST_SIGNED_MIN, signature, sizeof signature);
}

static void add_base64url(char *text, const uint8_t *bytes, size_t len)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint32_t bits = 0;
  int count = 0;
  char *at = text + strlen(text);

  for (size_t i = 0; i < len; i++) {
    bits = (bits << 8 | bytes[i]) & 0xFFFFFF;
    for (count += 8; count >= 6;) {
      count -= 6;
      *at++ = digits[bits >> count & 63];
    }
  }
  if (count > 0) *at++ = digits[bits << (6 - count) & 63];
  *at = 0;
}

static int prepare(void **state)
{
  (void)state;
#ifdef POWER_CUT_PSA
  assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
#endif
  for (size_t i = 0; i < IMAGE_SIZE; i++) {
    old_image[i] = (uint8_t)(i * 31 + i / 256);
    new_image[i] = (uint8_t)(i * 17 + i / 128 + 1);
  }
  write_manifest();
  strcpy(offer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ota.offer\",\"params\":{\"manifest\":\"");
  add_base64url(offer, manifest, sizeof manifest);
  strcat(offer, "\"}}");
  strcpy(apply, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ota.apply\",\"params\":{\"sha256\":\"");
  for (int i = 0; i < USMP_SHA256_SIZE; i++) snprintf(apply + strlen(apply), 3, "%02x", manifest[56 + i]);
  strcat(apply, "\"}}");
  return 0;
}

/* ---- the device: what is lost with the power ---- */

typedef struct device {
  usmp_ota_slots_t slots;
  usmp_ota_config_t config;
  usmp_ota_t ota;
  usmp_rpc_t rpc;
  bool runs_new;
  uint32_t now;
} device_t;

static device_t device;
static bool new_is_sound;

static bool holds(int slot, const uint8_t *image)
{
  return memcmp(memory.areas[slot], image, IMAGE_SIZE) == 0;
}

static void start(void)
{
  memset(&device, 0, sizeof device);
  int slot = usmp_slots_choose(&memory.flash);
  assert_in_range(slot, 0, 1);
  assert_true(holds(slot, old_image) || holds(slot, new_image));
  device.runs_new = holds(slot, new_image);
  usmp_ota_slots_init(&device.slots, &memory.flash, slot);
  device.config = (usmp_ota_config_t){
    .product = "lamp",
    .chip = "board",
    .version = device.runs_new ? USMP_OTA_VERSION(2, 0, 0) : USMP_OTA_VERSION(1, 0, 0),
    .keys = publisher,
    .key_count = 1,
    .crypto = &crypto,
    .port = &usmp_ota_slots_port,
    .ctx = &device.slots,
  };
  assert_int_equal(usmp_ota_init(&device.ota, &device.config, device.now), USMP_OK);
  usmp_rpc_init(&device.rpc, usmp_ota_methods, USMP_OTA_METHODS, &device.ota);
  usmp_rpc_begin(&device.rpc, device.now);
  usmp_ota_begin_session(&device.ota, device.now);
}

static const char *ask(const char *request)
{
  static char answer[USMP_OTA_ANSWER_SIZE + 1];
  size_t len = usmp_rpc_receive(&device.rpc, (const uint8_t *)request, strlen(request), device.now, answer, sizeof answer - 1);
  answer[len] = 0;
  return answer;
}

static const char *device_state(void)
{
  return ask("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ota.state\",\"params\":{}}");
}

static bool says(const char *text)
{
  return strstr(device_state(), text) != NULL;
}

/* The gateway's part: the chunks that were asked for. */
static void serve(const uint8_t *request)
{
  uint8_t message[6 + USMP_OTA_CHUNK_MAX] = {USMP_OTA_MESSAGE, 0x02};
  uint32_t offset = usmp_load32(request + 2);
  unsigned count = (unsigned)request[6] | (unsigned)request[7] << 8;

  for (; count > 0 && offset < IMAGE_SIZE; count--) {
    uint32_t len = IMAGE_SIZE - offset < USMP_OTA_CHUNK_MAX ? IMAGE_SIZE - offset : USMP_OTA_CHUNK_MAX;
    put_u32(message + 2, offset);
    memcpy(message + 6, new_image + offset, len);
    usmp_ota_receive(&device.ota, message, 6 + len, device.now);
    offset += len;
  }
}

/* True when the update has come to its end. */
static bool is_over(void)
{
  if (new_is_sound) return device.runs_new && says("\"state\":\"confirmed\"");
  char rolled_back[80] = "\"rolledBack\":\"";
  memcpy(rolled_back + strlen(rolled_back), apply + strlen(apply) - 3 - 64, 64);
  return !device.runs_new && says(rolled_back);
}

/* One life of the device, up to a restart; false: it has nothing more to do. */
static bool live(void)
{
  uint8_t out[USMP_OTA_OUT_SIZE];

  start();
  if (is_over()) return false;
  if (device.runs_new && !new_is_sound) usmp_ota_self_test_failed(&device.ota);
  else usmp_ota_self_test_passed(&device.ota);
  if (!device.runs_new) ask(offer);
  for (int i = 0; i < POLLS_MAX && !usmp_ota_restart_wanted(&device.ota); i++) {
    size_t len = usmp_ota_poll(&device.ota, device.now, out, sizeof out);
    if (len > 0 && out[0] == USMP_OTA_MESSAGE) serve(out);
    if (!device.runs_new && says("\"staged\":\"")) ask(apply);
    if (is_over()) return false;
    device.now += 100;
  }
  assert_true(usmp_ota_restart_wanted(&device.ota));
  return true;
}

/* ---- power cuts ---- */

static void live_on(void)
{
  int starts = 0;
  while (live()) assert_true(++starts < STARTS_MAX);
}

static void from_the_factory(unsigned long cut_at, mem_flash_tear_t tear)
{
  mem_flash_init(&memory);
  memcpy(memory.areas[USMP_FLASH_SLOT_0], old_image, IMAGE_SIZE);
  memory.cut_at = cut_at;
  memory.tear = tear;
}

static void check_end(void)
{
  start();
  assert_true(is_over());
  assert_true(device.runs_new == new_is_sound);
  assert_true(says(new_is_sound ? "\"counter\":7" : "\"counter\":0"));
  assert_true(says(new_is_sound ? "\"rolledBack\":null" : "\"staged\":null"));
}

static void cut_everywhere(void)
{
  from_the_factory(0, TEAR_ALL);
  live_on();
  check_end();
  unsigned long operations = memory.operations;
  assert_true(operations > IMAGE_SIZE / MEM_FLASH_UNIT + 50);
  for (unsigned long at = 1; at <= operations; at++) {
    for (int tear = TEAR_NOTHING; tear < TEARS; tear++) {
      from_the_factory(at, (mem_flash_tear_t)tear);
      if (setjmp(memory.power_off) == 0) live_on();
      memory.cut_at = 0;
      live_on();
      check_end();
    }
  }
}

static void sound_image_is_confirmed_after_a_cut_anywhere(void **state)
{
  (void)state;
  new_is_sound = true;
  cut_everywhere();
}

static void image_that_fails_is_rolled_back_after_a_cut_anywhere(void **state)
{
  (void)state;
  new_is_sound = false;
  cut_everywhere();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sound_image_is_confirmed_after_a_cut_anywhere),
    cmocka_unit_test(image_that_fails_is_rolled_back_after_a_cut_anywhere),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
