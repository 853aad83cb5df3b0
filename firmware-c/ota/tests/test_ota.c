#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ota_test_crypto.h"
#include "played_device.h"
#include "usmp/errors.h"

#define IMAGE_SIZE 20000u /* 45 chunks and a part: the last one is short */

static played_t device;
static release_t release;
static release_t other;
static publisher_t first, second, third, fourth;

static int setup(void **state)
{
  (void)state;
  if (!ota_test_crypto_init()) return -1;
  first = publisher_of(1);
  second = publisher_of(2);
  third = publisher_of(3);
  fourth = publisher_of(4);
  device_make(&device, &first);
  release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_SIZE, 1);
  release_make(&other, &first, USMP_OTA_VERSION(1, 2, 0), 6, IMAGE_SIZE, 2);
  return 0;
}

static void boot(void)
{
  assert_int_equal(device_boot(&device), USMP_OK);
  usmp_ota_begin_session(&device.ota, device.now);
}

/* The image that a slot has. */
static bool slot_has(int slot, const release_t *image)
{
  return memcmp(device.slots[slot], image->image, image->size) == 0;
}

static const char *sha_text(const release_t *image)
{
  static char text[2 * USMP_SHA256_SIZE + 1];
  for (size_t i = 0; i < USMP_SHA256_SIZE; i++) snprintf(text + 2 * i, 3, "%02x", image->sha256[i]);
  return text;
}

/* ota.state has this member. */
static void assert_state(const char *member)
{
  assert_int_equal(device_request(&device, "ota.state", "{}"), 0);
  if (!answer_has(&device, member)) fail_msg("%s is not in %.*s", member, (int)device.answer_len, device.answer);
}

static void assert_state_sha(const char *name, const release_t *image)
{
  char member[100];
  snprintf(member, sizeof member, "\"%s\":\"%s\"", name, sha_text(image));
  assert_state(member);
}

/* Offered, transferred, applied, started. */
static void update_to(const release_t *image)
{
  assert_int_equal(device_offer(&device, image), 0);
  assert_true(device_serve(&device, image));
  device.versions[1 - device.running] = image->version;
  assert_int_equal(device_apply(&device, image), 0);
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
}

static void confirm(void)
{
  usmp_ota_self_test_passed(&device.ota);
  device_poll(&device);
  assert_false(usmp_ota_is_on_trial(&device.ota));
}

/* ---- the way of an update ---- */

static void test_updates_and_confirms(void **state)
{
  (void)state;
  boot();
  assert_state("\"version\":\"1.0.0\",\"counter\":0,");
  assert_state("\"state\":\"confirmed\",\"confirmWithin\":null,\"rollback\":false");
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":0"));
  assert_true(device_serve(&device, &release));
  assert_true(out_has(&device, "ota.staged"));
  assert_true(slot_has(1, &release));
  assert_state_sha("staged", &release);

  device.versions[1] = release.version;
  assert_int_equal(device_apply(&device, &release), 0);
  assert_int_equal(device_apply(&device, &release), 0); /* its answer was lost */
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
  assert_int_equal(device.running, 1);
  assert_true(usmp_ota_is_on_trial(&device.ota));
  assert_state("\"version\":\"1.1.0\",\"counter\":0,"); /* not yet */
  assert_state("\"state\":\"pending\",\"confirmWithin\":60000,\"rollback\":true");
  assert_state_sha("sha256", &release);

  confirm();
  assert_true(out_has(&device, "ota.confirmed"));
  assert_true(out_has(&device, sha_text(&release)));
  assert_int_equal(device.states[1], USMP_OTA_SLOT_VALID);
  assert_state("\"counter\":5,");
  assert_state("\"state\":\"confirmed\",\"confirmWithin\":null,\"rollback\":true");
  boot();
  assert_int_equal(device.running, 1);
  assert_state_sha("sha256", &release);
  assert_false(usmp_ota_is_on_trial(&device.ota));
}

static void test_confirms_only_with_a_session_and_a_self_test(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  usmp_ota_end_session(&device.ota);
  usmp_ota_self_test_passed(&device.ota);
  device_poll(&device);
  assert_true(usmp_ota_is_on_trial(&device.ota));
  assert_int_equal(device.calls[CALL_CONFIRM], 0);
  usmp_ota_begin_session(&device.ota, device.now);
  device_poll(&device);
  assert_false(usmp_ota_is_on_trial(&device.ota));
}

/* An image that was flashed by cable, or a record that was lost: the boot loader still waits for a word. */
static void test_confirms_an_image_that_the_record_does_not_know(void **state)
{
  (void)state;
  device.states[0] = USMP_OTA_SLOT_NEW;
  boot();
  assert_true(usmp_ota_is_on_trial(&device.ota));
  assert_int_equal(device_offer(&device, &release), USMP_OTA_BUSY);
  confirm();
  assert_false(out_has(&device, "ota.confirmed"));
  assert_int_equal(device_offer(&device, &release), 0);
}

/* ---- refusals: before anything is erased ---- */

static void assert_refused(const release_t *image, int code)
{
  assert_int_equal(device_offer(&device, image), code);
  assert_true(answer_has(&device, "\"message\":\""));
  assert_int_equal(device.calls[CALL_BEGIN], 0);
  assert_int_equal(device.calls[CALL_STORE], 0);
}

static void test_refuses_before_it_erases(void **state)
{
  (void)state;
  device.config.counter = 4;
  device.today = 1000;
  boot();
  for (size_t i = 0; i < release.manifest_len; i++) { /* a flipped bit, wherever it is */
    release.manifest[i] ^= 0x01;
    int code = device_offer(&device, &release);
    release.manifest[i] ^= 0x01;
    bool of_the_form = code == USMP_OTA_MALFORMED || code == USMP_OTA_BAD_SIGNATURE || code == USMP_OTA_UNKNOWN_KEY;
    assert_true(of_the_form);
  }
  release.publisher = &second;
  release_sign(&release);
  assert_refused(&release, USMP_OTA_UNKNOWN_KEY);
  release.publisher = &first;
  release.product = "sensors";
  release_sign(&release);
  assert_refused(&release, USMP_OTA_WRONG_PRODUCT);
  release.product = "sensor";
  release.chip = "esp32";
  release_sign(&release);
  assert_refused(&release, USMP_OTA_WRONG_CHIP);
  release.chip = "esp32c3";
  release.counter = 3;
  release_sign(&release);
  assert_refused(&release, USMP_OTA_DOWNGRADE);
  release.counter = 4;
  release.least_version = USMP_OTA_VERSION(1, 0, 1);
  release_sign(&release);
  assert_refused(&release, USMP_OTA_VERSION_TOO_OLD);
  release.least_version = USMP_OTA_VERSION(1, 0, 0);
  release.not_after = 999;
  release_sign(&release);
  assert_refused(&release, USMP_OTA_EXPIRED);
  release.not_after = 1000;
  release.size = SLOT_SIZE + 1;
  release_sign(&release);
  assert_refused(&release, USMP_OTA_TOO_LARGE);
  release.size = IMAGE_SIZE;
  release_sign(&release);
  device.veto = true;
  assert_refused(&release, USMP_OTA_NOT_NOW);
  device.veto = false;
  assert_int_equal(device_offer(&device, &release), 0);
}

static void test_refuses_a_replayed_manifest(void **state)
{
  (void)state;
  boot();
  update_to(&other);
  confirm();
  assert_int_equal(device_offer(&device, &release), USMP_OTA_DOWNGRADE);
}

static void test_is_busy(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_BUSY);
  assert_int_equal(device_offer(&device, &release), 0); /* the same goes on */
  assert_true(device_serve(&device, &release));
  device.versions[1] = release.version;
  assert_int_equal(device_apply(&device, &release), 0);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_BUSY); /* it restarts */
  boot();
  assert_int_equal(device_offer(&device, &other), USMP_OTA_BUSY); /* on trial */
  assert_int_equal(device_apply(&device, &release), USMP_OTA_NOT_STAGED);
  confirm();
  assert_int_equal(device_offer(&device, &other), 0);
}

static void test_takes_another_image_when_the_gateway_has_given_one_up(void **state)
{
  char params[100];

  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  device_poll(&device);
  device_poll(&device);
  for (uint32_t i = 0; i < 5; i++) device_chunk(&device, &release, i * USMP_OTA_CHUNK_MAX);
  snprintf(params, sizeof params, "{\"sha256\":\"%s\"}", sha_text(&release));
  assert_int_equal(device_request(&device, "ota.abort", params), 0);
  device_chunk(&device, &release, 5 * USMP_OTA_CHUNK_MAX);
  assert_int_equal(device.calls[CALL_WRITE], 5);
  assert_int_equal(usmp_ota_next_deadline(&device.ota, device.now), UINT32_MAX);
  assert_int_equal(device_offer(&device, &release), 0); /* what it has is kept */
  assert_true(answer_has(&device, "\"have\":2200"));
  assert_int_equal(device_request(&device, "ota.abort", params), 0);
  assert_int_equal(device_offer(&device, &other), 0);
  assert_true(answer_has(&device, "\"have\":0"));
  assert_true(device_serve(&device, &other));
  assert_true(slot_has(1, &other));
}

/* ---- chunks ---- */

static void test_asks_for_a_window_and_tops_it_up(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_int_not_equal(device_poll(&device), 0);
  assert_true(out_has(&device, "ota.progress"));
  assert_int_equal(device_poll(&device), 8);
  assert_int_equal(usmp_load32(device.out + 2), 0);
  assert_int_equal(usmp_load16(device.out + 6), 8);
  for (uint32_t i = 0; i < 3; i++) device_chunk(&device, &release, i * USMP_OTA_CHUNK_MAX);
  assert_int_equal(device_poll(&device), 0);
  device_chunk(&device, &release, 3 * USMP_OTA_CHUNK_MAX);
  assert_int_equal(device_poll(&device), 8);
  assert_int_equal(usmp_load32(device.out + 2), 8 * USMP_OTA_CHUNK_MAX); /* goes on where the last request ended */
  assert_int_equal(usmp_load16(device.out + 6), 4);
}

static void test_asks_again_with_longer_pauses(void **state)
{
  static const uint32_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  device_poll(&device);
  assert_int_equal(device_poll(&device), 8);
  device_chunk(&device, &release, 0);
  for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
    device.now += pauses[i] - 1;
    while (device_poll(&device) > 0) assert_true(out_has(&device, "ota.progress"));
    device.now++;
    while (device_poll(&device) > 8) assert_true(out_has(&device, "ota.progress"));
    assert_int_equal(device.out_len, 8);
    assert_int_equal(usmp_load32(device.out + 2), USMP_OTA_CHUNK_MAX); /* from the first byte that is missing */
    assert_int_equal(usmp_load16(device.out + 6), 8);
  }
  device_chunk(&device, &release, USMP_OTA_CHUNK_MAX);
  device.now += 1000;
  while (device_poll(&device) > 8) continue;
  assert_int_equal(device.out_len, 8);
}

/* On datagrams a chunk can come before the one in front of it, which may never have been sent. */
static void test_asks_soon_for_a_gap(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  device_poll(&device);
  assert_int_equal(device_poll(&device), 8);
  device_chunk(&device, &release, USMP_OTA_CHUNK_MAX);
  device.now += 249;
  assert_int_equal(device_poll(&device), 0);
  device.now++;
  assert_int_equal(device_poll(&device), 8);
  assert_int_equal(usmp_load32(device.out + 2), 0);
  device_chunk(&device, &release, USMP_OTA_CHUNK_MAX); /* dropped, and the one that was missing comes */
  device_chunk(&device, &release, 0);
  assert_int_equal(device_poll(&device), 8);
  assert_int_equal(usmp_load32(device.out + 2), USMP_OTA_CHUNK_MAX);
}

/* Its answer may have been lost. What is under way stays so; a gateway that has forgotten it is asked within a second. */
static void test_the_same_offer_once_more(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  device_poll(&device);
  assert_int_equal(device_poll(&device), 8);
  device_chunk(&device, &release, 0);
  for (int i = 0; i < 5; i++) { /* a long silence */
    device.now += 30000;
    while (device_poll(&device) > 0) continue;
  }
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":440"));
  assert_int_equal(device_poll(&device), 0);
  device.now += 1000;
  while (device_poll(&device) > 8) continue;
  assert_int_equal(device.out_len, 8);
  assert_int_equal(usmp_load32(device.out + 2), USMP_OTA_CHUNK_MAX);
}

static void send(uint8_t kind, uint32_t offset, size_t len)
{
  uint8_t message[6 + USMP_OTA_CHUNK_MAX + 8] = {USMP_OTA_MESSAGE, kind};
  usmp_store32(message + 2, offset);
  assert_true(usmp_ota_receive(&device.ota, message, 6 + len, device.now));
}

static void test_takes_only_the_chunk_that_is_next_and_was_asked_for(void **state)
{
  (void)state;
  boot();
  send(2, 0, USMP_OTA_CHUNK_MAX); /* before anything was offered */
  assert_int_equal(device_offer(&device, &release), 0);
  send(2, 0, USMP_OTA_CHUNK_MAX); /* before it was asked for */
  assert_int_equal(device.calls[CALL_WRITE], 0);
  device_poll(&device);
  device_poll(&device);
  send(2, USMP_OTA_CHUNK_MAX, USMP_OTA_CHUNK_MAX); /* one is missing */
  send(2, 1, USMP_OTA_CHUNK_MAX);
  send(2, 0, USMP_OTA_CHUNK_MAX - 1); /* only the last one of an image is shorter */
  send(2, 0, USMP_OTA_CHUNK_MAX + 1);
  send(2, 0, 0);
  send(1, 0, USMP_OTA_CHUNK_MAX);
  send(3, 0, USMP_OTA_CHUNK_MAX);
  send(2, UINT32_MAX, USMP_OTA_CHUNK_MAX);
  for (size_t len = 1; len < 6; len++) {
    assert_true(usmp_ota_receive(&device.ota, (const uint8_t[]){USMP_OTA_MESSAGE, 2, 0, 0, 0}, len > 5 ? 5 : len, device.now));
  }
  assert_int_equal(device.calls[CALL_WRITE], 0);
  assert_false(usmp_ota_receive(&device.ota, (const uint8_t *)"{}", 2, device.now));
  assert_false(usmp_ota_receive(&device.ota, (const uint8_t *)"", 0, device.now));
  device_chunk(&device, &release, 0);
  device_chunk(&device, &release, 0); /* twice */
  assert_int_equal(device.calls[CALL_WRITE], 1);
  usmp_ota_end_session(&device.ota);
  device_chunk(&device, &release, USMP_OTA_CHUNK_MAX); /* of a session that is over */
  assert_int_equal(device.calls[CALL_WRITE], 1);
}

static void test_takes_images_of_every_size(void **state)
{
  static const uint32_t sizes[] = {1, 439, 440, 441, 4095, 4096, 4097, 8 * 440, 8 * 440 + 1, IMAGE_MAX};

  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    device_make(&device, &first);
    release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, sizes[i], (uint8_t)i);
    boot();
    update_to(&release);
    assert_true(slot_has(1, &release));
    confirm();
  }
}

/* ---- resuming ---- */

/* Receives up to this chunk. */
static void receive_chunks(const release_t *image, uint32_t count)
{
  assert_int_equal(device_offer(&device, image), 0);
  for (uint32_t i = 0; i < count; i++) {
    while (device_poll(&device) > 0) continue;
    device_chunk(&device, image, i * USMP_OTA_CHUNK_MAX);
  }
}

static void test_goes_on_after_a_session_was_lost(void **state)
{
  (void)state;
  boot();
  receive_chunks(&release, 13);
  usmp_ota_end_session(&device.ota);
  device.now += 100000;
  assert_int_equal(device_poll(&device), 0);
  usmp_ota_begin_session(&device.ota, device.now);
  assert_int_equal(device_poll(&device), 0); /* nobody has offered it in this session */
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":5720"));
  assert_true(device_serve(&device, &release));
  assert_true(slot_has(1, &release));
  assert_int_equal(device.calls[CALL_BEGIN], 1);
}

static void test_goes_on_after_a_power_cut(void **state)
{
  (void)state;
  release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_MAX, 9);
  boot();
  receive_chunks(&release, 80);                               /* 35,200 bytes: behind the step of the record */
  memset(device.slots[1] + USMP_OTA_RECORD_STEP, 0xAA, 4000); /* what was written last may be anything */
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":32768"));
  assert_true(device_serve(&device, &release));
  assert_true(slot_has(1, &release));
}

static void test_begins_anew_with_another_manifest(void **state)
{
  (void)state;
  release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_MAX, 9);
  boot();
  receive_chunks(&release, 80);
  boot();
  assert_int_equal(device_offer(&device, &other), 0);
  assert_true(answer_has(&device, "\"have\":0"));
  boot(); /* and the old one is forgotten, as its bytes are gone */
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":0"));
}

static void test_another_offer_is_not_told_as_staged(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
  assert_int_equal(device_offer(&device, &release), 0); /* that it is staged is to be told once more */
  assert_int_equal(device_offer(&device, &other), 0);
  while (device_poll(&device) > 0) assert_false(out_has(&device, "ota.staged"));
}

static void test_a_staged_image_waits_over_restarts(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
  boot();
  assert_state_sha("staged", &release);
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":20000"));
  assert_int_not_equal(device_poll(&device), 0);
  assert_true(out_has(&device, "ota.staged"));
  assert_int_equal(device.calls[CALL_BEGIN], 1);
  device.versions[1] = release.version;
  assert_int_equal(device_apply(&device, &release), 0);
  boot();
  assert_int_equal(device.running, 1);
}

/* ---- faults ---- */

static void test_never_stages_another_image(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_false(device_serve(&device, &other)); /* of the same size */
  assert_true(out_has(&device, "-32023"));
  assert_int_equal(device.calls[CALL_FINISH], 0);
  assert_state("\"staged\":null");
  assert_int_equal(device_apply(&device, &release), USMP_OTA_NOT_STAGED);
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":0"));
  assert_true(device_serve(&device, &release));
}

/* A gateway that lies spends no more flash than two times. */
static void test_takes_wrong_bytes_twice(void **state)
{
  (void)state;
  boot();
  for (int i = 0; i < 2; i++) {
    assert_int_equal(device_offer(&device, &release), 0);
    assert_false(device_serve(&device, &other));
  }
  assert_int_equal(device_offer(&device, &release), USMP_OTA_WRONG_IMAGE);
  assert_int_equal(device.calls[CALL_BEGIN], 2);
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
}

static void test_an_image_that_the_boot_loader_refuses(void **state)
{
  (void)state;
  device.fails[CALL_FINISH] = -1;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_false(device_serve(&device, &release));
  assert_true(out_has(&device, "\"code\":-32023,\"reason\":\"the boot loader does not take the image\""));
  assert_state("\"staged\":null");
}

/* Two attempts, then no more until the next start; another image may be tried. */
static void assert_gives_up_after_two(call_t call, const char *code)
{
  boot();
  device.fails[call] = 1; /* of any sign */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(device_offer(&device, &release), 0);
    assert_false(device_serve(&device, &release));
    assert_true(out_has(&device, code));
  }
  unsigned begun = device.calls[CALL_BEGIN];
  assert_int_equal(device_offer(&device, &release), USMP_OTA_FLASH);
  assert_int_equal(device.calls[CALL_BEGIN], begun);
  device.fails[call] = 0;
  assert_int_equal(device_offer(&device, &release), USMP_OTA_FLASH);
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
}

static void test_flash_that_cannot_be_written(void **state)
{
  (void)state;
  assert_gives_up_after_two(CALL_WRITE, "-32022");
}

/* A gateway may have sent other bytes, which stand where the flash can be erased only with what is before them. */
static void test_begins_anew_when_flash_could_not_be_written(void **state)
{
  (void)state;
  release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_MAX, 9);
  boot();
  receive_chunks(&release, 80);
  boot();
  device.fails[CALL_WRITE] = -1;
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":32768"));
  assert_false(device_serve(&device, &release));
  device.fails[CALL_WRITE] = 0;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(answer_has(&device, "\"have\":0"));
  assert_true(device_serve(&device, &release));
}

static void test_flash_that_cannot_be_read(void **state)
{
  (void)state;
  assert_gives_up_after_two(CALL_READ, "-32022");
}

static void test_flash_that_cannot_be_erased(void **state)
{
  (void)state;
  boot();
  device.fails[CALL_BEGIN] = -5;
  for (int i = 0; i < 2; i++) assert_int_equal(device_offer(&device, &release), USMP_OTA_FLASH);
  assert_int_equal(device_offer(&device, &release), USMP_OTA_FLASH);
  assert_int_equal(device.calls[CALL_BEGIN], 2);
  assert_int_equal(usmp_ota_next_deadline(&device.ota, device.now), UINT32_MAX);
  device.fails[CALL_BEGIN] = 0;
  assert_int_equal(device_offer(&device, &other), 0); /* another image is another case */
}

static void test_a_record_that_cannot_be_stored(void **state)
{
  (void)state;
  boot();
  device.fails[CALL_STORE] = 7;
  assert_int_equal(device_offer(&device, &release), USMP_OTA_FLASH);
  assert_int_equal(device.calls[CALL_BEGIN], 0); /* nothing is erased that the record does not know of */
  device.fails[CALL_STORE] = 0;
  release_make(&release, &first, USMP_OTA_VERSION(1, 1, 0), 5, IMAGE_MAX, 9);
  assert_int_equal(device_offer(&device, &release), 0);
  device.fails[CALL_STORE] = 7;
  assert_false(device_serve(&device, &release));
  assert_true(out_has(&device, "the record could not be stored"));
  device.fails[CALL_STORE] = 0;
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
  device.fails[CALL_STORE] = 7;
  assert_int_equal(device_apply(&device, &release), USMP_OTA_FLASH);
  assert_int_equal(device.calls[CALL_ACTIVATE], 0);
  device.fails[CALL_STORE] = 0;
  device.versions[1] = release.version;
  assert_int_equal(device_apply(&device, &release), 0);
  boot();
  device.fails[CALL_STORE] = 7;
  usmp_ota_self_test_passed(&device.ota);
  device_poll(&device);
  assert_true(usmp_ota_is_on_trial(&device.ota)); /* the boot loader keeps it, and it is told when the record says so too */
  device.now += 600000;
  device_poll(&device);
  assert_int_equal(device.calls[CALL_REVERT], 0);
  device.fails[CALL_STORE] = 0;
  device.now += 1000;
  assert_int_not_equal(device_poll(&device), 0);
  assert_true(out_has(&device, "ota.confirmed"));
}

static void test_an_image_that_cannot_be_made_active(void **state)
{
  (void)state;
  boot();
  assert_int_equal(device_offer(&device, &release), 0);
  assert_true(device_serve(&device, &release));
  device.fails[CALL_ACTIVATE] = -1;
  assert_int_equal(device_apply(&device, &release), USMP_OTA_FLASH);
  assert_false(usmp_ota_restart_wanted(&device.ota));
  assert_state_sha("staged", &release);
}

/* What is no record must not become one: it would bring the keys of the factory back, and the counter down. */
static void test_a_record_that_is_damaged(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  confirm();
  for (size_t i = 0; i < sizeof device.record; i++) {
    device.record[i] ^= 0x10;
    assert_int_equal(device_boot(&device), USMP_ERR_TRANSPORT_FAILED);
    usmp_ota_begin_session(&device.ota, device.now);
    assert_int_equal(device_offer(&device, &other), USMP_OTA_FLASH);
    device.record[i] ^= 0x10;
  }
  device.fails[CALL_LOAD] = -1;
  assert_int_equal(device_boot(&device), USMP_ERR_TRANSPORT_FAILED);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_FLASH);
  device.fails[CALL_LOAD] = 0;
  device.fails[CALL_STATE] = 12;
  assert_int_equal(device_boot(&device), USMP_ERR_TRANSPORT_FAILED);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_FLASH);
  assert_int_equal(device_request(&device, "ota.state", "{}"), 0);
}

/* ---- the trial ---- */

static void test_goes_back_when_the_time_is_over(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  device.now += 59999;
  device_poll(&device);
  assert_false(usmp_ota_restart_wanted(&device.ota));
  assert_int_equal(usmp_ota_next_deadline(&device.ota, device.now), 1);
  device.now++;
  device_poll(&device);
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
  assert_int_equal(device.running, 0);
  assert_state_sha("rolledBack", &release);
  assert_state("\"version\":\"1.0.0\",\"counter\":0,");
  assert_state("\"staged\":null");
  update_to(&other); /* told until the next one is confirmed */
  assert_state_sha("rolledBack", &release);
  confirm();
  assert_state("\"rolledBack\":null");
}

/* The boot loader's word cannot be written: tried once a second, and given up with the time. */
static void test_an_image_that_cannot_be_confirmed(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  device.fails[CALL_CONFIRM] = 1;
  usmp_ota_self_test_passed(&device.ota);
  for (int i = 0; i < 59; i++) {
    device_poll(&device);
    assert_int_equal(usmp_ota_next_deadline(&device.ota, device.now), 1000);
    device.now += 1000;
  }
  assert_int_equal(device.calls[CALL_CONFIRM], 59);
  assert_int_equal(device.ota.record.trust.counter, 0);
  device.now += 1000;
  device_poll(&device);
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
  assert_int_equal(device.running, 0);
}

static void test_goes_back_without_a_session_too(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  usmp_ota_end_session(&device.ota);
  device.now += 60000;
  device_poll(&device);
  assert_true(usmp_ota_restart_wanted(&device.ota));
}

static void test_goes_back_when_the_self_test_fails(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  usmp_ota_self_test_failed(&device.ota);
  assert_int_equal(usmp_ota_next_deadline(&device.ota, device.now), 0);
  device_poll(&device);
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
  assert_int_equal(device.running, 0);
  assert_state_sha("rolledBack", &release);
}

static void test_goes_back_when_the_image_crashes(void **state)
{
  (void)state;
  boot();
  update_to(&release);
  boot(); /* a reset before it was confirmed */
  assert_int_equal(device.running, 0);
  assert_state_sha("rolledBack", &release);
}

static void test_a_boot_loader_that_never_goes_back(void **state)
{
  (void)state;
  device.no_rollback = true;
  boot();
  update_to(&release);
  assert_true(usmp_ota_is_on_trial(&device.ota)); /* for this library it is on trial all the same */
  assert_state("\"state\":\"pending\",\"confirmWithin\":60000,\"rollback\":false");
  device.fails[CALL_REVERT] = -1;
  device.now += 60000;
  device_poll(&device);
  assert_false(usmp_ota_restart_wanted(&device.ota)); /* that would be for ever */
  confirm();
  assert_state("\"state\":\"confirmed\",\"confirmWithin\":null,\"rollback\":false");
  assert_state("\"counter\":5,");
}

/* The port can go back without the boot loader's help: it makes the other slot active. */
static void test_goes_back_without_the_boot_loader(void **state)
{
  (void)state;
  device.no_rollback = true;
  boot();
  update_to(&release);
  usmp_ota_self_test_failed(&device.ota);
  device_poll(&device);
  assert_true(usmp_ota_restart_wanted(&device.ota));
  boot();
  assert_int_equal(device.running, 0);
  assert_state_sha("rolledBack", &release);
}

/* ---- keys ---- */

static void test_keys_change_when_an_image_is_confirmed(void **state)
{
  (void)state;
  boot();
  release.next_key = &second;
  release_sign(&release);
  update_to(&release);
  other.publisher = &second;
  other.revoked = &first;
  release_sign(&other);
  usmp_ota_end_session(&device.ota);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_UNKNOWN_KEY); /* not before */
  usmp_ota_begin_session(&device.ota, device.now);
  confirm();
  boot();
  update_to(&other);
  confirm();
  release.counter = 9;
  release_sign(&release);
  assert_int_equal(device_offer(&device, &release), USMP_OTA_REVOKED_KEY); /* signed by the first key */
  release.publisher = &second;
  release.next_key = NULL;
  release_sign(&release);
  assert_int_equal(device_offer(&device, &release), 0);
}

static void test_keys_stay_when_an_image_is_given_up(void **state)
{
  (void)state;
  boot();
  release.next_key = &second;
  release_sign(&release);
  update_to(&release);
  boot();
  other.publisher = &second;
  release_sign(&other);
  assert_int_equal(device_offer(&device, &other), USMP_OTA_UNKNOWN_KEY);
}

static void test_a_fourth_key_has_no_room(void **state)
{
  const publisher_t *next[] = {&second, &third, &fourth};

  (void)state;
  boot();
  for (uint32_t i = 0; i < 3; i++) {
    release_make(&release, &first, USMP_OTA_VERSION(1, 1, i), i, 1000, (uint8_t)i);
    release.next_key = next[i];
    release_sign(&release);
    if (i == 2) break;
    update_to(&release);
    confirm();
  }
  assert_int_equal(device_offer(&device, &release), USMP_OTA_MALFORMED);
  release.revoked = &third;
  release_sign(&release);
  assert_int_equal(device_offer(&device, &release), 0);
}

/* ---- what does not fit ---- */

static void test_configurations_that_cannot_be(void **state)
{
  static const publisher_t weak = {{1}}; /* the neutral point: of small order */
  const usmp_ota_config_t good = device.config;

  (void)state;
#define assert_wrong(field, value)                                   \
  device.config.field = value;                                       \
  assert_int_equal(device_boot(&device), USMP_ERR_INVALID_ARGUMENT); \
  device.config = good;
  assert_wrong(product, NULL);
  assert_wrong(product, "");
  assert_wrong(product, "12345678901234567");
  assert_wrong(product, "a b");
  assert_wrong(chip, "123456789");
  assert_wrong(chip, "\xC3\xA9");
  assert_wrong(keys, NULL);
  assert_wrong(keys, &weak.key);
  assert_wrong(key_count, 0);
  assert_wrong(key_count, 4);
  assert_wrong(window, 65);
  assert_wrong(crypto, NULL);
  assert_wrong(port, NULL);
  assert_wrong(confirm_within_ms, 86400001);
  device.config.product = "1234567890123456";
  assert_int_equal(device_boot(&device), USMP_OK);
}

static void test_parameters_that_cannot_be(void **state)
{
  static const char *const offers[] = {"{}",
                                       "{\"manifest\":7}",
                                       "{\"manifest\":\"A\"}",
                                       "{\"manifest\":\"AB\"}",
                                       "{\"manifest\":\"AA==\"}",
                                       "{\"manifest\":\"+/AA\"}",
                                       "{\"manifest\":\"\\u0041AAA\"}"};
  static const char *const applies[] = {"{}",
                                        "{\"sha256\":\"00\"}",
                                        "{\"sha256\":null}",
                                        "{\"sha256\":\"ZZ00000000000000000000000000000000000000000000000000000000000000\"}",
                                        "{\"sha256\":\"AB00000000000000000000000000000000000000000000000000000000000000\"}",
                                        "{\"sha256\":\"000000000000000000000000000000000000000000000000000000000000000000\"}"};
  char longest[800] = "{\"manifest\":\"";

  (void)state;
  boot();
  for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
    assert_int_equal(device_request(&device, "ota.offer", offers[i]), USMP_RPC_INVALID_PARAMS);
  }
  for (size_t i = 0; i < sizeof applies / sizeof applies[0]; i++) {
    assert_int_equal(device_request(&device, "ota.apply", applies[i]), USMP_RPC_INVALID_PARAMS);
    assert_int_equal(device_request(&device, "ota.abort", applies[i]), USMP_RPC_INVALID_PARAMS);
  }
  assert_int_equal(device_request(&device, "ota.offer", "{\"manifest\":\"\"}"), USMP_OTA_MALFORMED);
  memset(longest + 13, 'A', 684); /* 513 bytes */
  strcat(longest, "\"}");
  assert_int_equal(device_request(&device, "ota.offer", longest), USMP_RPC_INVALID_PARAMS);
  assert_int_equal(device_request(&device, "ota.other", "{}"), USMP_RPC_METHOD_NOT_FOUND);
}

static void test_the_longest_answer_fits(void **state)
{
  const publisher_t keys[3] = {first, second, third};

  (void)state;
  device.config.keys = &keys[0].key;
  device.config.key_count = 3;
  device.config.product = "1234567890123456";
  device.config.chip = "12345678";
  device.config.counter = UINT32_MAX;
  device.versions[0] = USMP_OTA_VERSION(255, 255, 65535);
  boot();
  memset(device.ota.record.rolled_back, 0xAB, USMP_SHA256_SIZE);
  device.ota.record.phase = 2;
  assert_state("\"version\":\"255.255.65535\"");
  assert_true(device.answer_len < USMP_OTA_ANSWER_SIZE);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup(name, setup)
  const struct CMUnitTest tests[] = {
    test(test_updates_and_confirms),
    test(test_confirms_only_with_a_session_and_a_self_test),
    test(test_confirms_an_image_that_the_record_does_not_know),
    test(test_refuses_before_it_erases),
    test(test_refuses_a_replayed_manifest),
    test(test_is_busy),
    test(test_takes_another_image_when_the_gateway_has_given_one_up),
    test(test_asks_for_a_window_and_tops_it_up),
    test(test_asks_again_with_longer_pauses),
    test(test_asks_soon_for_a_gap),
    test(test_the_same_offer_once_more),
    test(test_takes_only_the_chunk_that_is_next_and_was_asked_for),
    test(test_takes_images_of_every_size),
    test(test_goes_on_after_a_session_was_lost),
    test(test_goes_on_after_a_power_cut),
    test(test_begins_anew_with_another_manifest),
    test(test_another_offer_is_not_told_as_staged),
    test(test_a_staged_image_waits_over_restarts),
    test(test_never_stages_another_image),
    test(test_takes_wrong_bytes_twice),
    test(test_an_image_that_the_boot_loader_refuses),
    test(test_flash_that_cannot_be_written),
    test(test_begins_anew_when_flash_could_not_be_written),
    test(test_flash_that_cannot_be_read),
    test(test_flash_that_cannot_be_erased),
    test(test_a_record_that_cannot_be_stored),
    test(test_an_image_that_cannot_be_made_active),
    test(test_a_record_that_is_damaged),
    test(test_goes_back_when_the_time_is_over),
    test(test_an_image_that_cannot_be_confirmed),
    test(test_goes_back_without_a_session_too),
    test(test_goes_back_when_the_self_test_fails),
    test(test_goes_back_when_the_image_crashes),
    test(test_a_boot_loader_that_never_goes_back),
    test(test_goes_back_without_the_boot_loader),
    test(test_keys_change_when_an_image_is_confirmed),
    test(test_keys_stay_when_an_image_is_given_up),
    test(test_a_fourth_key_has_no_room),
    test(test_configurations_that_cannot_be),
    test(test_parameters_that_cannot_be),
    test(test_the_longest_answer_fits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
