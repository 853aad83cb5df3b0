/* robolink-robot-rv32: the robot on a chip without operating system, for QEMU's RISC-V machine `virt`; a client on its
   UART. Identity, key and seed are loaded next to the image, as examples/bare_qemu/README.md tells. When its session
   ends it makes another, by itself, until the hub says goodbye: then it rests until it is switched off. */
#include <string.h>

#include "board.h"
#include "random.h"
#include "robot_session.h"
#include "usmp/crypto_bearssl.h"
#include "usmp_serial_client.h"

static usmp_config_t config = {
  .crypto = &usmp_crypto_bearssl,
  .random = board_random,
  .kind = USMP_KIND_SERIAL,
  /* Short, so that a hub that was restarted is found within seconds. */
  .step_ms = 2000,
  .keepalive_ms = 1000,
  .idle_ms = 3000,
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
static robot_session_t robot_session;
static char text[ROBOT_MESSAGE_SIZE];

static void log_line(const char *what, const char *detail)
{
  if (!usmp_serial_client_drained(&serial)) return;
  board_print("robot: ");
  board_print(what);
  board_print(detail);
  board_print("\r\n");
}

/* What finds no room is left out: telemetry would be old by then, and a hub that asks faster than the line takes the
   answers has its own timeouts. */
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
    robot_session_connected(&robot_session, now);
  } else if (event->kind == USMP_EVENT_MESSAGE) {
    say(robot_session_receive(&robot_session, event->data, event->len, now, text), now);
  } else if (event->kind == USMP_EVENT_CLOSED) {
    robot_session_lost(&robot_session, now);
    log_line("session ended: ", usmp_err_name(event->reason));
  }
}

static void run(void)
{
  while (robot_session.connected || !robot_session.goodbye[0]) {
    uint32_t now = board_millis();
    usmp_event_t event;
    while (usmp_serial_client_poll(&serial, now, &event)) handle(&event, now);
    say(robot_session_poll(&robot_session, now, text), now);
    uint32_t wait = robot_session_wait(&robot_session, now);
    uint32_t line_wait = usmp_serial_client_drained(&serial) ? usmp_serial_client_wait(&serial, now)
                                                             : 1; /* by then the UART has room */
    board_idle(wait < line_wait ? wait : line_wait);
  }
}

int main(void)
{
  board_init();
  board_print("\r\nRoboLink robot, bare metal, QEMU virt, rv32imc\r\n");
  const board_identity_t *identity = board_identity();
  if (!identity || board_random_init(identity->seed) < 0) {
    board_print("no identity or no seed was loaded; see examples/bare_qemu/README.md\r\n");
    return 1;
  }
  config.psk = identity->psk;
  config.psk_len = sizeof identity->psk;
  memcpy(config.device_id, identity->device_id, sizeof config.device_id);

  uint32_t now = board_millis();
  robot_session_init(&robot_session, "robot on rv32", "rv32", now);
  usmp_serial_client_init(&serial, &config, &buffers, &uart, now);
  run();
  log_line("the hub said goodbye: ", robot_session.goodbye);
  for (;;) board_idle(UINT32_MAX);
}
