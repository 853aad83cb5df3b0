/* usmp-sensor-rv32: the sensor on a chip without operating system, for QEMU's RISC-V machine `virt`; a client on its UART.
   Identity, key and seed are loaded next to the image, as examples/bare_qemu/README.md tells. When its session ends it makes
   another, by itself, for as long as it has power. */
#include <string.h>

#include "bare_updates.h"
#include "board.h"
#include "random.h"
#include "sensor.h"
#include "usmp/crypto_bearssl.h"
#include "usmp_serial_client.h"

static usmp_config_t config = {
  .crypto = &usmp_crypto_bearssl,
  .random = board_random,
  .kind = USMP_KIND_SERIAL,
  .keepalive_ms = 5000,
  .idle_ms = 15000,
};

static uint8_t frame_buffer[USMP_FRAME_BUFFER_SIZE];
static uint8_t message_buffer[USMP_MESSAGE_BUFFER_SIZE];
static uint8_t tx_buffer[USMP_TX_BUFFER_SIZE(USMP_MAX_FRAMES)];
static const usmp_buffers_t buffers = {
  .frame = frame_buffer,
  .frame_len = sizeof frame_buffer,
  .message = message_buffer,
  .message_len = sizeof message_buffer,
  .tx = tx_buffer,
  .tx_len = sizeof tx_buffer,
};
static const usmp_uart_t uart = {board_uart_read, board_uart_write};

static usmp_serial_client_t serial;
static sensor_t sensor;
static char text[SENSOR_MESSAGE_SIZE];

static void log_line(const char *what, const char *detail)
{
  if (!usmp_serial_client_drained(&serial)) return;
  board_print("sensor: ");
  board_print(what);
  board_print(detail);
  board_print("\r\n");
}

/* What finds no room is left out: a reading would be old by then, and a gateway that asks has its own timeouts. */
static void say(size_t len, uint32_t now)
{
  if (len == 0) return;
  int err = usmp_serial_client_send(&serial, (const uint8_t *)text, len, now);
  if (err < 0 && err != USMP_ERR_QUEUE_FULL) log_line("not sent: ", usmp_err_name(err));
}

static void handle(const usmp_event_t *event, uint32_t now)
{
  if (event->kind == USMP_EVENT_CONNECTED) {
    log_line("session established", "");
    sensor_connected(&sensor, now);
    bare_updates_connected(now);
  } else if (event->kind == USMP_EVENT_MESSAGE) {
    if (bare_updates_take(event->data, event->len, now)) return;
    bool blinked = sensor_is_blinking(&sensor);
    say(sensor_receive(&sensor, event->data, event->len, now, text), now);
    if (!blinked && sensor_is_blinking(&sensor)) log_line("blinking: somebody wants to find me", "");
  } else if (event->kind == USMP_EVENT_CLOSED) {
    sensor_lost(&sensor, now);
    bare_updates_lost();
    log_line("session ended: ", usmp_err_name(event->reason));
  }
}

static void run(void)
{
  for (;;) {
    uint32_t now = board_millis();
    usmp_event_t event;
    while (usmp_serial_client_poll(&serial, now, &event)) handle(&event, now);
    size_t reading = sensor_poll(&sensor, now, text);
    say(reading, now);
    bare_updates_poll(&serial, reading > 0, now);
    uint32_t wait = sensor_wait(&sensor, now);
    uint32_t update_wait = bare_updates_wait(now);
    if (update_wait < wait) wait = update_wait;
    uint32_t line_wait = usmp_serial_client_drained(&serial) ? usmp_serial_client_wait(&serial, now)
                                                             : 1; /* by then the UART has room */
    board_idle(wait < line_wait ? wait : line_wait);
  }
}

/* What a person compares with what the gateway shows for the key that was typed there. */
static void print_fingerprint(const board_identity_t *identity)
{
  char fingerprint[USMP_FINGERPRINT_SIZE];
  int err = usmp_psk_fingerprint(&usmp_crypto_bearssl, identity->psk, sizeof identity->psk, identity->device_id, fingerprint);

  board_print("fingerprint of its key: ");
  board_print(err == USMP_OK ? fingerprint : usmp_err_name(err));
  board_print("\r\n");
}

int main(void)
{
  board_init();
  board_print("\r\nUSMP sensor, bare metal, QEMU virt, rv32imc\r\n");
  const board_identity_t *identity = board_identity();
  if (!identity || board_random_init(bare_updates_seed(identity->seed)) < 0) {
    board_print("no identity or no seed was loaded; see examples/bare_qemu/README.md\r\n");
    return 1;
  }
  print_fingerprint(identity);
  config.psk = identity->psk;
  config.psk_len = sizeof identity->psk;
  memcpy(config.device_id, identity->device_id, sizeof config.device_id);

  uint32_t now = board_millis();
  sensor_init(&sensor, "sensor on rv32", "rv32", identity->device_id, now);
  if (!bare_updates_start(&sensor, now)) {
    board_print("updates cannot be used: the flash or its record cannot be read\r\n");
    return 1;
  }
  usmp_serial_client_init(&serial, &config, &buffers, bare_updates_line(&uart), now);
  run();
}
