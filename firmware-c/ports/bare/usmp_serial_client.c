#include "usmp_serial_client.h"

#include <string.h>

static bool ended(usmp_serial_client_t *serial, uint32_t now)
{
  serial->down = true;
  serial->ended_at = now;
  usmp_conn_wipe(&serial->conn);
  return true;
}

/* False, or true with an event that says why no connection could be made. */
static bool connect(usmp_serial_client_t *serial, uint32_t now, usmp_event_t *event)
{
  int err = usmp_conn_init_client(&serial->conn, serial->config, serial->buffers, now);
  serial->down = false;
  if (err == 0) return false;
  *event = (usmp_event_t){.kind = USMP_EVENT_CLOSED, .reason = err};
  return ended(serial, now);
}

void usmp_serial_client_init(usmp_serial_client_t *serial, const usmp_config_t *config, const usmp_buffers_t *buffers,
                             const usmp_uart_t *uart, uint32_t now)
{
  memset(serial, 0, sizeof *serial);
  serial->config = config;
  serial->buffers = buffers;
  serial->uart = uart;
  serial->down = true;
  serial->ended_at = now - USMP_REOPEN_DELAY_MS;
}

static void transmit(usmp_serial_client_t *serial, uint32_t now)
{
  const uint8_t *bytes;
  size_t len;
  while ((len = usmp_conn_poll_transmit(&serial->conn, &bytes)) > 0) {
    size_t taken = serial->uart->write(bytes, len);
    if (taken == 0) return;
    usmp_conn_transmitted(&serial->conn, taken < len ? taken : len, now);
  }
}

/* Hands over input until there is none or an event comes of it. */
static bool receive(usmp_serial_client_t *serial, uint32_t now, usmp_event_t *event)
{
  for (;;) {
    if (usmp_conn_poll_event(&serial->conn, event)) return true;
    if (serial->chunk_at == serial->chunk_len) {
      serial->chunk_at = 0;
      size_t got = serial->uart->read(serial->chunk, sizeof serial->chunk);
      serial->chunk_len = got <= sizeof serial->chunk ? (uint8_t)got : 0; /* more than there is room for is no length */
      if (serial->chunk_len == 0) return false;
    }
    size_t left = (size_t)(serial->chunk_len - serial->chunk_at);
    int taken = usmp_conn_receive(&serial->conn, serial->chunk + serial->chunk_at, left, now);
    /* An error is an event, which comes next; what is left of the chunk belongs to no session. */
    serial->chunk_at = taken < 0 ? serial->chunk_len : (uint8_t)(serial->chunk_at + taken);
    transmit(serial, now);
  }
}

bool usmp_serial_client_poll(usmp_serial_client_t *serial, uint32_t now, usmp_event_t *event)
{
  if (serial->down) {
    if (usmp_serial_client_wait(serial, now) > 0) return false;
    if (connect(serial, now, event)) return true;
  }
  if (usmp_conn_poll_timeout(&serial->conn, now) == 0) usmp_conn_handle_timeout(&serial->conn, now);
  transmit(serial, now);
  if (!receive(serial, now, event)) return false;
  transmit(serial, now);
  return event->kind == USMP_EVENT_CLOSED ? ended(serial, now) : true;
}

uint32_t usmp_serial_client_wait(const usmp_serial_client_t *serial, uint32_t now)
{
  if (!serial->down) return usmp_conn_poll_timeout(&serial->conn, now);
  uint32_t since = now - serial->ended_at;
  return since < USMP_REOPEN_DELAY_MS ? USMP_REOPEN_DELAY_MS - since : 0;
}

int usmp_serial_client_send(usmp_serial_client_t *serial, const uint8_t *message, size_t len, uint32_t now)
{
  return serial->down ? USMP_ERR_NOT_CONNECTED : usmp_conn_send(&serial->conn, message, len, now);
}

bool usmp_serial_client_drained(const usmp_serial_client_t *serial)
{
  return serial->down || usmp_conn_drained(&serial->conn);
}
