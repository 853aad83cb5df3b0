#include "updates.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "loader.h"

#define FEED_MS 100u
#define EXIT_USAGE 2

#ifdef SENSOR_OTA_PSA
#define HASHES &usmp_ota_psa_hashes
#else
#define HASHES &usmp_ota_bearssl_hashes
#endif
static const usmp_ota_crypto_t crypto = {.ed25519 = &usmp_ota_sodium, .hashes = HASHES};

static int number_of(const char *variable)
{
  const char *text = getenv(variable);
  return text ? atoi(text) : -1;
}

static int say(const char *what, const char *detail)
{
  fprintf(stderr, "sensor: %s%s\n", what, detail);
  return EXIT_USAGE;
}

static int open_slots(updates_t *u, const sensor_options_t *o)
{
  int slot = number_of(USMP_LOADER_SLOT);

  if (slot != 0 && slot != 1) {
    return say("--slots is for a sensor that usmp-loader has started: ",
               "usmp-loader --slots FOLDER -- the options of the sensor");
  }
  if (usmp_file_flash_open(&u->files, o->slots, USMP_FILE_FLASH_SLOT_SIZE) != 0) {
    return say("the folder of the slots cannot be used: ", strerror(errno));
  }
  usmp_ota_slots_init(&u->slots, &u->files.flash, slot);
  return 0;
}

static void tell_state(const updates_t *u)
{
  char version[USMP_OTA_VERSION_TEXT_SIZE];

  usmp_ota_version_text(sensor_image.version, version);
  fprintf(stderr, "sensor: version %s from slot %d%s\n", version, u->slots.running,
          usmp_ota_is_on_trial(&u->ota) ? ", on trial" : "");
}

int updates_start(updates_t *u, const sensor_options_t *o, usmp_rpc_t *rpc, uint32_t now)
{
  memset(u, 0, sizeof *u);
  u->watchdog = number_of(USMP_LOADER_WATCHDOG);
  if (u->watchdog >= 0) signal(SIGPIPE, SIG_IGN);
  if (!o->slots) return 0;
  int code = open_slots(u, o);
  if (code != 0) return code;
  u->config = (usmp_ota_config_t){
    .product = SENSOR_PRODUCT,
    .chip = "host",
    .version = sensor_image.version,
    .keys = &o->publisher_key,
    .key_count = 1,
    .confirm_within_ms = o->confirm_within_ms > 0 ? o->confirm_within_ms : sensor_image.confirm_within_ms,
    .crypto = &crypto,
    .port = &usmp_ota_slots_port,
    .ctx = &u->slots,
  };
  int err = usmp_ota_init(&u->ota, &u->config, now);
  if (err != USMP_OK) {
    usmp_file_flash_close(&u->files);
    return say("updates cannot be used: ", usmp_err_name(err));
  }
  usmp_rpc_extend(rpc, usmp_ota_methods, USMP_OTA_METHODS, &u->ota);
  u->on = true;
  tell_state(u);
  return 0;
}

void updates_stop(updates_t *u)
{
  if (u->on) usmp_file_flash_close(&u->files);
  u->on = false;
}

void updates_connected(updates_t *u, uint32_t now)
{
  if (u->on) usmp_ota_begin_session(&u->ota, now);
}

void updates_lost(updates_t *u)
{
  if (u->on) usmp_ota_end_session(&u->ota);
}

bool updates_take(updates_t *u, const uint8_t *message, size_t len, uint32_t now)
{
  return u->on && usmp_ota_receive(&u->ota, message, len, now);
}

static void tell_progress(updates_t *u, bool was_on_trial)
{
  if (was_on_trial && !usmp_ota_is_on_trial(&u->ota)) say("the update is confirmed", "");
  if (usmp_ota_restart_wanted(&u->ota)) say(was_on_trial ? "goes back to the image before" : "restarts into the update", "");
}

usmp_err_t updates_send(updates_t *u, usmp_t *ctx)
{
  uint8_t out[USMP_OTA_OUT_SIZE];
  usmp_err_t err = USMP_OK;
  size_t len;

  if (!u->on) return USMP_OK;
  bool was_on_trial = usmp_ota_is_on_trial(&u->ota);
  while (err == USMP_OK && (len = usmp_ota_poll(&u->ota, usmp_port_millis(), out, sizeof out)) > 0)
    err = usmp_send(ctx, out, (uint16_t)len);
  tell_progress(u, was_on_trial);
  return err;
}

void updates_self_test_passed(updates_t *u)
{
  if (u->on) usmp_ota_self_test_passed(&u->ota);
}

void updates_tick(updates_t *u, uint32_t now)
{
  uint8_t out[USMP_OTA_OUT_SIZE];

  if (u->watchdog >= 0 && now - u->fed_at >= FEED_MS) {
    u->fed_at = now;
    (void)!write(u->watchdog, "", 1);
  }
  if (!u->on || u->ota.in_session) return;
  bool was_on_trial = usmp_ota_is_on_trial(&u->ota);
  while (usmp_ota_poll(&u->ota, now, out, sizeof out) > 0) continue;
  tell_progress(u, was_on_trial);
}

uint32_t updates_wait(const updates_t *u, uint32_t now)
{
  uint32_t wait = u->watchdog >= 0 ? FEED_MS : UINT32_MAX;
  uint32_t due = u->on ? usmp_ota_next_deadline(&u->ota, now) : UINT32_MAX;

  return due < wait ? due : wait;
}

bool updates_restart_wanted(const updates_t *u)
{
  return u->on && usmp_ota_restart_wanted(&u->ota);
}
