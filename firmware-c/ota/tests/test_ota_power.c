/* The power fails in each call of the port, before its effect and behind it, over a whole update; and random walks of everything that a
   gateway, the power and faults can do. What must never happen is looked at in each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ota_test_crypto.h"
#include "played_device.h"
#include "usmp/errors.h"

static played_t device;
static release_t old;
static release_t new;
static publisher_t publisher;

/* Version 1.0.0 is in slot 0; nothing else. */
static void make(void)
{
  device_make(&device, &publisher);
  memcpy(device.slots[0], old.image, old.size);
}

static int setup(void **state)
{
  (void)state;
  if (!ota_test_crypto_init()) return -1;
  publisher = publisher_of(1);
  release_make(&old, &publisher, USMP_OTA_VERSION(1, 0, 0), 0, 12000, 1);
  release_make(&new, &publisher, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_MAX, 2);
  make();
  return 0;
}

static bool runs(const release_t *image)
{
  return memcmp(device.slots[device.running], image->image, image->size) == 0;
}

/* As far as it comes in one life of the program. True: the new image is confirmed. */
static bool live(void)
{
  if (device_boot(&device) != USMP_OK) return false;
  usmp_ota_begin_session(&device.ota, device.now);
  usmp_ota_self_test_passed(&device.ota);
  device_poll(&device);
  if (runs(&new) && !usmp_ota_is_on_trial(&device.ota)) return true;
  if (device_offer(&device, &new) != 0 || !device_serve(&device, &new)) return false;
  device.versions[1 - device.running] = new.version;
  (void)device_apply(&device, &new);
  return false;
}

/* What runs is whole, the old or the new one, and the counter is that of a confirmed image. */
static void assert_sound(void)
{
  assert_true(runs(&old) || runs(&new));
  uint32_t counter = device.ota.record.trust.counter;
  assert_true(counter == 0 || (counter == 5 && device.states[device.running] == USMP_OTA_SLOT_VALID && runs(&new)));
}

/* After the cut the update goes on, or begins once more, and ends well. */
static void recover(void)
{
  device.cut_at = 0;
  for (int lives = 0; !live(); lives++) {
    assert_sound();
    assert_true(lives < 4);
  }
  assert_sound();
  assert_int_equal(device.ota.record.trust.counter, 5);
}

/* False: the update was over before call number `n`. */
static bool cut_in(unsigned n, bool after)
{
  volatile int lives = 0;

  make();
  device.cut_at = n;
  device.cut_after = after;
  if (setjmp(device.power) == 0) {
    while (!live() && lives < 4) lives++;
    return device.total >= n; /* a call that had no effect to cut behind */
  }
  recover();
  return true;
}

/* More calls than `least` are cut, and the update ends well after each. */
static void assert_every_cut(unsigned least)
{
  unsigned before = 1;
  unsigned after = 1;

  while (cut_in(before, false)) before++;
  while (cut_in(after, true)) after++;
  assert_true(before > least);
  assert_int_equal(before, after);
}

static void test_a_power_cut_in_each_call(void **state)
{
  (void)state;
  assert_every_cut(250); /* begin, 91 chunks, some 157 reads, the record, the boot loader */
}

/* The last chunk is where the record is written. */
static void test_a_power_cut_with_an_image_of_whole_steps(void **state)
{
  (void)state;
  release_make(&new, &publisher, USMP_OTA_VERSION(1, 1, 0), 5, USMP_OTA_RECORD_STEP, 3);
  assert_every_cut(200);
}

/* The same while the image is given up: it is told as rolled back, or tried once more, and the old one runs. */
static void test_a_power_cut_while_it_goes_back(void **state)
{
  (void)state;
  for (int after = 0; after < 2; after++) {
    for (unsigned n = 1; n <= 2; n++) {
      make();
      (void)live();
      assert_int_equal(device_boot(&device), USMP_OK);
      assert_true(usmp_ota_is_on_trial(&device.ota));
      device.cut_at = device.total + n;
      device.cut_after = after == 1;
      usmp_ota_self_test_failed(&device.ota);
      if (setjmp(device.power) == 0) {
        device_poll(&device);
        fail_msg("the power did not fail");
      }
      device.cut_at = 0;
      assert_int_equal(device_boot(&device), USMP_OK);
      assert_true(runs(&old));
      assert_memory_equal(device.ota.record.rolled_back, new.sha256, USMP_SHA256_SIZE);
      recover();
    }
  }
}

/* ---- random walks ---- */

static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % limit;
}

static release_t wanted[3]; /* newer and newer: the first two have one counter */

static void serve_something(void)
{
  const release_t *image = &wanted[random_below(3)];
  uint32_t offset = device.ota.offset;

  switch (random_below(6)) {
    case 0: offset = random_below(image->size); break;
    case 1: offset -= offset > USMP_OTA_CHUNK_MAX ? USMP_OTA_CHUNK_MAX : 0; break;
    default: break;
  }
  if (offset < image->size) device_chunk(&device, image, offset);
}

static void receive_noise(void)
{
  uint8_t noise[450];
  size_t len = random_below(sizeof noise);

  for (size_t i = 0; i < len; i++) noise[i] = (uint8_t)random_below(256);
  if (len > 1) noise[0] = USMP_OTA_MESSAGE;
  if (len > 6 && random_below(2) == 0) noise[1] = 2;
  (void)usmp_ota_receive(&device.ota, noise, len, device.now);
}

static void fail_something(void)
{
  static const int results[] = {-1, 1, 255, INT32_MIN};

  memset(device.fails, 0, sizeof device.fails);
  if (random_below(8) == 0) device.fails[random_below(CALL_LOAD)] = results[random_below(4)];
  if (random_below(16) == 0) device.fails[CALL_STORE] = results[random_below(4)];
}

/* A gateway that has what was asked for before, and what is asked for now. */
static void serve_all(const release_t *image)
{
  for (int i = 0; i < 8 && device.ota.offset < image->size; i++) device_chunk(&device, image, device.ota.offset);
  (void)device_serve(&device, image);
}

static bool self_tested;

static void restart(void)
{
  memset(device.fails, 0, sizeof device.fails);
  assert_int_equal(device_boot(&device), USMP_OK);
  self_tested = false;
}

/* One thing that may happen. */
static void step(void)
{
  static release_t *image = wanted; /* the same for a while, so that one is now and then finished */

  if (random_below(40) == 0) image = &wanted[random_below(3)];
  device.versions[1 - device.running] = USMP_OTA_VERSION(1, 1, random_below(3));
  switch (random_below(14)) {
    case 0: (void)device_offer(&device, random_below(8) == 0 ? &wanted[random_below(3)] : image); break;
    case 1: (void)device_apply(&device, image); break;
    case 2: receive_noise(); break;
    case 3: usmp_ota_begin_session(&device.ota, device.now); break;
    case 4: fail_something(); break;
    case 5: device.now += random_below(20000); break;
    case 6:
      if (random_below(8) == 0) restart();
      break;
    case 7:
      if (random_below(4) == 0) usmp_ota_end_session(&device.ota);
      break;
    case 8:
      if (random_below(3) > 0) {
        self_tested = true;
        usmp_ota_self_test_passed(&device.ota);
      } else if (random_below(4) == 0) {
        self_tested = false;
        usmp_ota_self_test_failed(&device.ota);
      }
      break;
    case 9:
      if (usmp_ota_restart_wanted(&device.ota)) restart();
      break;
    case 10: serve_all(random_below(8) == 0 ? &wanted[random_below(3)] : image); break;
    default: serve_something();
  }
  (void)device_poll(&device);
}

static bool slot_is_wanted(int slot)
{
  for (int i = 0; i < 3; i++) {
    if (memcmp(device.slots[slot], wanted[i].image, wanted[i].size) == 0) return true;
  }
  return memcmp(device.slots[slot], old.image, old.size) == 0;
}

static void assert_walk(uint32_t counter, unsigned confirmed)
{
  assert_true(device.ota.record.trust.counter >= counter);
  assert_true(slot_is_wanted(device.running));                                       /* never a mixture, never half of one */
  if (device.ota.record.phase == 2) assert_true(slot_is_wanted(1 - device.running)); /* staged */
  if (device.calls[CALL_CONFIRM] > confirmed) assert_true(self_tested && device.ota.in_session);
  /* What waits has a time, or needs somebody: no loop that turns for nothing. */
  uint32_t wait = usmp_ota_next_deadline(&device.ota, device.now);
  if (wait == 0 && device.ota.in_session && device.ota.transfer != 2) {
    unsigned total = device.total;
    assert_true(device_poll(&device) > 0 || device.total > total);
  }
}

static unsigned walk(uint64_t start)
{
  unsigned confirmed = 0;

  seed = start;
  make();
  device.config.confirm_within_ms = 100000;
  self_tested = false;
  assert_int_equal(device_boot(&device), USMP_OK);
  usmp_ota_begin_session(&device.ota, device.now);
  for (int i = 0; i < 600; i++) {
    uint32_t counter = device.ota.record.trust.counter;
    unsigned calls = device.calls[CALL_CONFIRM];
    step();
    assert_walk(counter, calls);
    confirmed += device.ota.record.trust.counter > counter;
  }
  return confirmed;
}

static void test_random_walks(void **state)
{
  unsigned confirmed = 0;

  (void)state;
  release_make(&wanted[0], &publisher, USMP_OTA_VERSION(1, 1, 0), 1, 5000, 11);
  release_make(&wanted[1], &publisher, USMP_OTA_VERSION(1, 1, 1), 1, 9001, 12);
  release_make(&wanted[2], &publisher, USMP_OTA_VERSION(1, 1, 2), 2, 13000, 13);
  for (uint64_t i = 1; i <= 400; i++) confirmed += walk(i * 0x9E3779B97F4A7C15u);
  assert_true(confirmed > 150); /* the walks reach the end too */
}

int main(void)
{
#define test(name) cmocka_unit_test_setup(name, setup)
  const struct CMUnitTest tests[] = {
    test(test_a_power_cut_in_each_call),
    test(test_a_power_cut_with_an_image_of_whole_steps),
    test(test_a_power_cut_while_it_goes_back),
    test(test_random_walks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
