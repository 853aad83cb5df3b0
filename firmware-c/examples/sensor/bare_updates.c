#include "bare_updates.h"

#include <string.h>

#include "board.h"
#include "board_flash.h"
#include "image.h"
#include "ota_slots.h"

/* SENSOR_PUBLISHER_KEY: the key of who signs the images, 32 numbers; it is a part of each image. */
static const uint8_t publisher_keys[1][USMP_ED25519_KEY_SIZE] = {{SENSOR_PUBLISHER_KEY}};
static const usmp_ota_crypto_t crypto = {.ed25519 = &usmp_ota_monocypher, .hashes = &usmp_ota_bearssl_hashes};

static usmp_ota_slots_t slots;
static usmp_ota_t ota;
static usmp_ota_config_t config = {
  .product = SENSOR_PRODUCT,
  .chip = "rv32",
  .keys = publisher_keys,
  .key_count = 1,
  .crypto = &crypto,
  .port = &usmp_ota_slots_port,
  .ctx = &slots,
};
static uint8_t out[USMP_OTA_OUT_SIZE];
static size_t out_len; /* of a message that found no room yet */

/* The board has no source of randomness: two starts must not make the same keys. */
const uint8_t *bare_updates_seed(const uint8_t seed[32])
{
  static uint8_t changed[32];
  uint32_t starts = BOARD_HANDOFF->starts;

  memcpy(changed, seed, sizeof changed);
  for (unsigned i = 0; i < 4; i++) changed[i] ^= (uint8_t)(starts >> 8 * i);
  return changed;
}

/* ---- images for tests ---- */

static size_t read_nothing(uint8_t *bytes, size_t len)
{
  (void)bytes, (void)len;
  return 0;
}

static size_t write_nowhere(const uint8_t *bytes, size_t len)
{
  (void)bytes;
  return len;
}

const usmp_uart_t *bare_updates_line(const usmp_uart_t *uart)
{
  static const usmp_uart_t torn = {read_nothing, write_nowhere};

  if (sensor_image.fault == SENSOR_CRASHES) __builtin_trap();
  return sensor_image.fault == SENSOR_CANNOT_CONNECT ? &torn : uart;
}

/* ---- the update ---- */

bool bare_updates_start(sensor_t *sensor, uint32_t now)
{
  usmp_ota_version_text(sensor_image.version, sensor->version);
  config.version = sensor_image.version;
  config.confirm_within_ms = sensor_image.confirm_within_ms;
  usmp_ota_slots_init(&slots, &board_flash, (int)BOARD_HANDOFF->slot);
  if (usmp_ota_init(&ota, &config, now) != USMP_OK) return false;
  usmp_rpc_extend(&sensor->rpc, usmp_ota_methods, USMP_OTA_METHODS, &ota);
  board_print(usmp_ota_is_on_trial(&ota) ? "sensor: on trial, version " : "sensor: version ");
  board_print(sensor->version);
  board_print("\r\n");
  return true;
}

void bare_updates_connected(uint32_t now)
{
  usmp_ota_begin_session(&ota, now);
}

void bare_updates_lost(void)
{
  usmp_ota_end_session(&ota);
  out_len = 0;
}

bool bare_updates_take(const uint8_t *message, size_t len, uint32_t now)
{
  return usmp_ota_receive(&ota, message, len, now);
}

/* Not before the answer to ota.apply has left, and the end of the session with it: so the gateway need not wait for its timeout. */
static void end_and_restart(usmp_serial_client_t *serial, uint32_t now)
{
  const uint8_t *bytes;
  size_t len;

  if (!usmp_serial_client_drained(serial)) return;
  if (!serial->down) {
    usmp_conn_close(&serial->conn, USMP_ERR_CLOSED, now);
    while ((len = usmp_conn_poll_transmit(&serial->conn, &bytes)) > 0)
      usmp_conn_transmitted(&serial->conn, serial->uart->write(bytes, len), now);
  }
  board_reset();
}

void bare_updates_poll(usmp_serial_client_t *serial, bool measured, uint32_t now)
{
  if (measured) usmp_ota_self_test_passed(&ota);
  for (;;) {
    if (out_len == 0) out_len = usmp_ota_poll(&ota, now, out, sizeof out);
    if (out_len == 0 || usmp_serial_client_send(serial, out, out_len, now) == USMP_ERR_QUEUE_FULL) break;
    out_len = 0;
  }
  if (usmp_ota_restart_wanted(&ota)) end_and_restart(serial, now);
}

uint32_t bare_updates_wait(uint32_t now)
{
  return out_len > 0 || usmp_ota_restart_wanted(&ota) ? 1 : usmp_ota_next_deadline(&ota, now);
}
