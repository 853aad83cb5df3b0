#include "usmp_line.h"

#include <string.h>

static bool ended(usmp_line_t *line, uint32_t now)
{
  line->down = true;
  line->ended_at = now;
  usmp_conn_wipe(&line->conn);
  return true;
}

/* False, or true with an event that says why no connection could be made. */
static bool connect(usmp_line_t *line, uint32_t now, usmp_event_t *event)
{
  int err = usmp_conn_init_client(&line->conn, line->config, line->buffers, now);
  line->down = false;
  if (err == 0) return false;
  *event = (usmp_event_t){.kind = USMP_EVENT_CLOSED, .reason = err};
  return ended(line, now);
}

void usmp_line_init(usmp_line_t *line, const usmp_config_t *config, const usmp_buffers_t *buffers,
                    const usmp_uart_t *uart, uint32_t now)
{
  memset(line, 0, sizeof *line);
  line->config = config;
  line->buffers = buffers;
  line->uart = uart;
  line->down = true;
  line->ended_at = now - USMP_LINE_PAUSE_MS;
}

static void transmit(usmp_line_t *line, uint32_t now)
{
  const uint8_t *bytes;
  size_t len;
  while ((len = usmp_conn_poll_transmit(&line->conn, &bytes)) > 0) {
    size_t taken = line->uart->write(bytes, len);
    if (taken == 0) return;
    usmp_conn_transmitted(&line->conn, taken < len ? taken : len, now);
  }
}

/* Hands over input until there is none or an event comes of it. */
static bool receive(usmp_line_t *line, uint32_t now, usmp_event_t *event)
{
  for (;;) {
    if (usmp_conn_poll_event(&line->conn, event)) return true;
    if (line->chunk_at == line->chunk_len) {
      line->chunk_at = 0;
      size_t got = line->uart->read(line->chunk, sizeof line->chunk);
      line->chunk_len = got <= sizeof line->chunk ? (uint8_t)got : 0; /* more than there is room for is no length */
      if (line->chunk_len == 0) return false;
    }
    size_t left = (size_t)(line->chunk_len - line->chunk_at);
    int taken = usmp_conn_receive(&line->conn, line->chunk + line->chunk_at, left, now);
    /* An error is an event, which comes next; what is left of the chunk belongs to no session. */
    line->chunk_at = taken < 0 ? line->chunk_len : (uint8_t)(line->chunk_at + taken);
    transmit(line, now);
  }
}

bool usmp_line_poll(usmp_line_t *line, uint32_t now, usmp_event_t *event)
{
  if (line->down) {
    if (usmp_line_wait(line, now) > 0) return false;
    if (connect(line, now, event)) return true;
  }
  if (usmp_conn_poll_timeout(&line->conn, now) == 0) usmp_conn_handle_timeout(&line->conn, now);
  transmit(line, now);
  if (!receive(line, now, event)) return false;
  transmit(line, now);
  return event->kind == USMP_EVENT_CLOSED ? ended(line, now) : true;
}

uint32_t usmp_line_wait(const usmp_line_t *line, uint32_t now)
{
  if (!line->down) return usmp_conn_poll_timeout(&line->conn, now);
  uint32_t since = now - line->ended_at;
  return since < USMP_LINE_PAUSE_MS ? USMP_LINE_PAUSE_MS - since : 0;
}

int usmp_line_send(usmp_line_t *line, const uint8_t *message, size_t len, uint32_t now)
{
  return line->down ? USMP_ERR_NOT_CONNECTED : usmp_conn_send(&line->conn, message, len, now);
}

bool usmp_line_quiet(const usmp_line_t *line)
{
  return line->down || usmp_conn_drained(&line->conn);
}
