/* A device without an operating system: sends readings over its UART, and takes the commands
     led on | led off      the lamp
     rate N                readings a second, 1 to 50
     echo TEXT             TEXT comes back
   each answered with "ok COMMAND" or "error …". A person's log goes over the same line: the peer drops it. */
#include <string.h>

#include "board.h"
#include "random.h"
#include "text.h"
#include "usmp/crypto_bearssl.h"
#include "usmp_serial_client.h"

#define RATE_DEFAULT 2
#define RATE_MAX 50

static usmp_config_t config = {
  .crypto = &usmp_crypto_bearssl,
  .random = board_random,
  .kind = USMP_KIND_SERIAL,
  /* Short, so that a person sees a restarted gateway come back. On a line at a real speed, take the defaults. */
  .step_ms = 2000,
  .keepalive_ms = 1500,
  .idle_ms = 4000,
};

/* Every message here fits into one frame. */
static uint8_t frame_buffer[USMP_FRAME_BUFFER_SIZE];
static uint8_t message_buffer[USMP_MESSAGE_BUFFER_SIZE];
static uint8_t tx_buffer[USMP_TX_BUFFER_SIZE(2)];
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
static text_t text;
static uint32_t rate = RATE_DEFAULT;
static uint32_t next_reading;
static uint32_t reading_count;

static void log_line(const char *what, const char *detail)
{
  if (!usmp_serial_client_drained(&serial)) return;
  board_print("usmp: ");
  board_print(what);
  board_print(detail);
  board_print("\r\n");
}

/* Bhaskara's formula, in thousandths, for whole degrees. */
static int32_t sine(uint32_t degrees)
{
  int32_t half = (int32_t)(degrees % 180);
  int32_t product = half * (180 - half);
  int32_t value = 4000 * product / (40500 - product);
  return degrees % 360 < 180 ? value : -value;
}

static void say(void)
{
  int err = usmp_serial_client_send(&serial, (const uint8_t *)text.at, text.len, board_millis());
  /* A reading that finds no room is old by the time there is some: it is left out. */
  if (err < 0 && err != USMP_ERR_QUEUE_FULL) log_line("not sent: ", usmp_err_name(err));
}

static void send_reading(uint32_t now)
{
  text_clear(&text);
  text_add(&text, "{\"n\":");
  text_add_number(&text, ++reading_count);
  text_add(&text, ",\"uptimeMs\":");
  text_add_number(&text, now);
  text_add(&text, ",\"instructions\":");
  text_add_number(&text, board_instructions());
  text_add(&text, ",\"freeStack\":");
  text_add_number(&text, board_stack_free());
  text_add(&text, ",\"led\":");
  text_add(&text, board_led_is_on() ? "true" : "false");
  text_add(&text, ",\"sine\":");
  text_add_thousandths(&text, sine(now / 20));
  text_add(&text, "}");
  say();
}

static bool is(const uint8_t *data, size_t len, const char *command)
{
  return len == strlen(command) && memcmp(data, command, len) == 0;
}

static bool begins(const uint8_t *data, size_t len, const char *command)
{
  return len >= strlen(command) && memcmp(data, command, strlen(command)) == 0;
}

static bool set_rate(const uint8_t *digits, size_t len)
{
  uint32_t wanted = 0;
  if (len == 0 || len > 2) return false;
  for (size_t i = 0; i < len; i++) {
    if (digits[i] < '0' || digits[i] > '9') return false;
    wanted = wanted * 10 + (uint32_t)(digits[i] - '0');
  }
  if (wanted == 0 || wanted > RATE_MAX) return false;
  rate = wanted;
  next_reading = board_millis();
  return true;
}

static const char *obey(const uint8_t *data, size_t len)
{
  if (is(data, len, "led on") || is(data, len, "led off")) {
    board_led(is(data, len, "led on"));
    return NULL;
  }
  if (begins(data, len, "rate ")) return set_rate(data + 5, len - 5) ? NULL : "error rate is 1 to 50";
  if (begins(data, len, "echo ")) return NULL;
  return "error no such command";
}

static void answer(const usmp_event_t *event)
{
  const char *error = obey(event->data, event->len);
  text_clear(&text);
  text_add(&text, error ? error : "ok ");
  if (!error) text_add_bytes(&text, event->data, event->len);
  say();
}

static void handle(const usmp_event_t *event, uint32_t now)
{
  if (event->kind == USMP_EVENT_CONNECTED) {
    log_line("session established", "");
    next_reading = now;
  } else if (event->kind == USMP_EVENT_MESSAGE) {
    answer(event);
  } else if (event->kind == USMP_EVENT_CLOSED) {
    log_line("session ended: ", usmp_err_name(event->reason));
  }
}

static uint32_t until_reading(uint32_t now)
{
  return (int32_t)(next_reading - now) > 0 ? next_reading - now : 0;
}

/* Milliseconds until there is something to do by itself. */
static uint32_t spare_time(uint32_t now)
{
  uint32_t wait = usmp_serial_client_wait(&serial, now);
  if (!usmp_serial_client_drained(&serial)) return 1; /* by then the UART has room for the rest */
  if (usmp_conn_established(&serial.conn) && until_reading(now) < wait) return until_reading(now);
  return wait;
}

static void run(void)
{
  for (;;) {
    uint32_t now = board_millis();
    usmp_event_t event;
    while (usmp_serial_client_poll(&serial, now, &event)) handle(&event, now);
    if (usmp_conn_established(&serial.conn) && until_reading(now) == 0) {
      send_reading(now);
      next_reading = now + 1000 / rate;
    }
    board_idle(spare_time(now));
  }
}

int main(void)
{
  board_init();
  board_print("\r\nUSMP example, bare metal, QEMU virt, rv32imc\r\n");
  const board_identity_t *identity = board_identity();
  if (!identity || board_random_init(identity->seed) < 0) {
    board_print("no identity or no seed was loaded; see examples/bare_qemu/README.md\r\n");
    return 1;
  }
  config.psk = identity->psk;
  config.psk_len = sizeof identity->psk;
  memcpy(config.device_id, identity->device_id, sizeof config.device_id);
  board_print("stack, clock, UART, random: up. This log and the protocol share the line.\r\n");

  usmp_serial_client_init(&serial, &config, &buffers, &uart, board_millis());
  run();
}
