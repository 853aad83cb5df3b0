#include "usmp/connection.h"

#include <limits.h>
#include <string.h>

#include "connection_internal.h"
#include "datagram.h"
#include "established.h"
#include "keepalive.h"
#include "timing.h"
#include "tx_queue.h"
#include "usmp/callbacks.h"

/* ---- begin and end ---- */

static bool kind_available(uint8_t kind)
{
  return kind == USMP_KIND_STREAM || (USMP_WITH_DATAGRAM && kind == USMP_KIND_DATAGRAM) ||
         (USMP_WITH_SERIAL && kind == USMP_KIND_SERIAL);
}

/* `standard`: the wire protocol where the configuration names none. */
static int init(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers,
                const usmp_wire_protocol_t *standard, uint32_t now)
{
  if (!conn || !config || !buffers) return USMP_ERR_INVALID_ARGUMENT;
  memset(conn, 0, sizeof *conn);
  conn->state = USMP_CONN_CLOSED;
  conn->error = USMP_ERR_NOT_CONNECTED;
  bool framed = config->kind != USMP_KIND_DATAGRAM; /* out of a stream or serial line */
  size_t message_len = config->stream_fragments ? USMP_FRAGMENT_BUFFER_SIZE : USMP_MESSAGE_BUFFER_SIZE;
  if (!config->crypto || !config->random || !kind_available(config->kind) || !usmp_suite_available(usmp_conn_suite(config)) ||
      !buffers->message || !buffers->tx || buffers->message_len < message_len || buffers->tx_len < USMP_TX_BUFFER_SIZE(1) ||
      (framed && (!buffers->frame || buffers->frame_len < USMP_FRAME_BUFFER_SIZE))) {
    return USMP_ERR_INVALID_ARGUMENT;
  }
  conn->config = config;
  conn->wire = config->wire ? config->wire : standard;
  conn->datagram = config->kind == USMP_KIND_DATAGRAM;
  conn->serial = config->kind == USMP_KIND_SERIAL;
  conn->error = 0;
  conn->message = buffers->message;
  usmp_tx_init(conn, buffers);
  conn->now = conn->received_at = conn->sent_at = now;
  if (usmp_conn_is_datagram(conn)) {
    usmp_arq_init(&conn->arq);
  } else {
    usmp_deframer_init(&conn->deframer, buffers->frame, conn->wire->version);
  }
  return USMP_OK;
}

int usmp_conn_init_client(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers, uint32_t now)
{
  int err = init(conn, config, buffers, &usmp_wire_v2_client, now);
  if (err != USMP_OK) return err;
  if (!config->psk) return USMP_ERR_INVALID_ARGUMENT;
  err = usmp_psk_check(config->psk, config->psk_len, config->allow_weak_psk);
  if (err != USMP_OK) return err;

  for (size_t i = 0; i < USMP_DEVICE_ID_LEN; i++) conn->device_id[i] = config->device_id[i];
  err = conn->wire->start(conn);
  if (err != USMP_OK) usmp_conn_wipe(conn);
  return err;
}

int usmp_conn_init_server(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers, uint32_t now)
{
  int err = init(conn, config, buffers, &usmp_wire_v2_server, now);
  if (err != USMP_OK) return err;
  if (!config->find_psk) return USMP_ERR_INVALID_ARGUMENT;
  return conn->wire->start(conn);
}

void usmp_conn_wipe(usmp_conn_t *conn)
{
  if (!conn) return;
  usmp_wipe(conn, sizeof *conn);
  conn->state = USMP_CONN_CLOSED;
  conn->error = USMP_ERR_NOT_CONNECTED;
}

/* ---- what becomes of an error ---- */

/* The one place that decides: does it end the connection, or is it dropped and counted? What anybody could
   have sent must not end a connection over datagrams, nor a handshake on a serial line, which also carries
   noise and boot messages. */
static int handle_frame_error(usmp_conn_t *conn, int error)
{
  bool platform = error >= USMP_ERR_TRANSPORT_FAILED && error <= USMP_ERR_RANDOM_FAILED;
  bool frame = error >= USMP_ERR_BAD_COBS && error <= USMP_ERR_BAD_MAGIC;
  bool dropped = usmp_conn_is_datagram(conn) || (usmp_conn_is_serial(conn) && (frame || conn->state < USMP_CONN_ESTABLISHED));

  if (error >= 0) return error;
  if (conn->state == USMP_CONN_CLOSED) return conn->error;
  /* BYE and a flood are the peer's own. */
  if (dropped && !platform && error != USMP_ERR_CLOSED && error != USMP_ERR_FLOOD) return usmp_conn_drop(conn, error);
  /* On a serial line nothing else would tell the peer that the session is over; a BYE is not answered. */
  if (usmp_conn_is_serial(conn) && error != USMP_ERR_CLOSED) usmp_conn_close(conn, error, conn->now);
  return usmp_conn_close_with(conn, error);
}

/* ---- input ---- */

static int on_frame(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (frame->type == USMP_TYPE_ERROR) { /* not authenticated: changes nothing */
    if (conn->state < USMP_CONN_ESTABLISHED && frame->length == USMP_ERROR_SIZE) conn->hint = frame->payload[0];
    if (conn->dropped < UINT16_MAX) conn->dropped++;
    return USMP_OK;
  }
  if (conn->state < USMP_CONN_ESTABLISHED) return conn->wire->on_frame(conn, frame);
  if (usmp_conn_is_datagram(conn) && usmp_is_handshake_type(frame->type)) return usmp_datagram_on_repeat(conn, frame);
  return conn->state == USMP_CONN_ESTABLISHED ? usmp_established_receive(conn, frame) : USMP_OK;
}

/* Nobody refers to the key before the last rekey any more. */
static void wipe_prev_key(usmp_conn_t *conn)
{
  usmp_record_layer_t *layer = &conn->u.record_layer;
  if (conn->state < USMP_CONN_ESTABLISHED) return;
  if (!layer->rekey_pending && !usmp_tx_head(conn)) usmp_wipe(layer->prev_tx_key, USMP_KEY_SIZE);
}

static int receive_datagram(usmp_conn_t *conn, const uint8_t *bytes, size_t len, bool utack)
{
  usmp_frame_t frame;
  int err;

  if (utack) {
    err = usmp_datagram_on_utack(conn, bytes, len);
  } else {
    err = usmp_frame_decode(conn->wire->version, bytes, len, &frame);
    if (err == USMP_OK) err = on_frame(conn, &frame);
  }
  err = handle_frame_error(conn, err);
  return err < 0 ? err : (int)len;
}

static bool must_fetch_event(const usmp_conn_t *conn)
{
  return (conn->events & (USMP_PENDING(USMP_EVENT_CONNECTED) | USMP_PENDING(USMP_EVENT_MESSAGE))) != 0;
}

static int receive_chunk(usmp_conn_t *conn, const uint8_t *bytes, size_t len)
{
  usmp_frame_t frame;
  size_t total = 0;

  while (!must_fetch_event(conn)) {
    size_t used;
    int found = usmp_conn_is_serial(conn) ? usmp_deframer_packets(&conn->deframer, bytes + total, len - total, &used, &frame)
                                          : usmp_deframer_stream(&conn->deframer, bytes + total, len - total, &used, &frame);
    total += used;
    if (found == 0) break;
    int err = handle_frame_error(conn, found < 0 ? found : on_frame(conn, &frame));
    if (err < 0) return err;
  }
  return (int)total;
}

int usmp_conn_receive(usmp_conn_t *conn, const uint8_t *bytes, size_t len, uint32_t now)
{
  if (!conn || (!bytes && len) || len > INT_MAX) return USMP_ERR_INVALID_ARGUMENT;
  if (conn->state == USMP_CONN_CLOSED) return conn->error ? conn->error : USMP_ERR_NOT_CONNECTED;
  conn->now = now;
  /* An acknowledgement is taken even so: who waits for it may be the one who has to fetch the event. */
  bool utack = usmp_conn_is_datagram(conn) && usmp_utack_is(bytes, len);
  if (len == 0 || (must_fetch_event(conn) && !utack)) return 0;
  int result = usmp_conn_is_datagram(conn) ? receive_datagram(conn, bytes, len, utack) : receive_chunk(conn, bytes, len);
  wipe_prev_key(conn);
  return result;
}

void usmp_conn_transport_ended(usmp_conn_t *conn, int error)
{
  if (!conn || conn->state == USMP_CONN_CLOSED) return;
  bool refused = conn->state == USMP_CONN_AWAIT_CHALLENGE || conn->state == USMP_CONN_AWAIT_SESSION_OK;
  error = error == 0 ? USMP_ERR_TRUNCATED : usmp_known_error(error, USMP_ERR_TRANSPORT_FAILED);
  usmp_conn_close_with(conn, refused ? USMP_ERR_HANDSHAKE_REFUSED : error);
}

void usmp_conn_close(usmp_conn_t *conn, int reason, uint32_t now)
{
  if (!conn || conn->state == USMP_CONN_CLOSED || conn->state == USMP_CONN_CLOSING) return;
  conn->now = now;
  reason = usmp_known_error(reason, USMP_ERR_ABORTED);
  bool session = conn->state == USMP_CONN_ESTABLISHED;
  if (!session || !usmp_conn_is_datagram(conn)) {
    if (session) usmp_tx_queue_sealed(conn, USMP_TYPE_BYE, NULL, 0);
    usmp_conn_close_with(conn, reason);
    return;
  }
  conn->state = USMP_CONN_CLOSING;
  conn->closed_at = now;
  conn->hint = (uint8_t)-reason; /* until the queue is delivered */
  if (!usmp_tx_head(conn)) usmp_datagram_queue_bye(conn);
}

/* ---- the three polls ---- */

size_t usmp_conn_poll_transmit(const usmp_conn_t *conn, const uint8_t **bytes)
{
  if (!conn || !bytes || !conn->config) return 0;
  if (conn->ack_len > 0) {
    *bytes = conn->tx;
    return conn->ack_len;
  }
  *bytes = usmp_tx_head(conn);
  if (!*bytes) return 0;
  if (!usmp_conn_is_datagram(conn)) return (size_t)(conn->tx_tail - conn->tx_head);
  return conn->arq.sends == 0 || conn->arq.resend ? usmp_tx_frame_size(*bytes) : 0;
}

void usmp_conn_transmitted(usmp_conn_t *conn, size_t len, uint32_t now)
{
  if (!conn || !conn->config) return;
  conn->now = now;
  if (usmp_conn_is_datagram(conn)) {
    usmp_datagram_transmitted(conn);
    return;
  }
  usmp_tx_taken(conn, len);
}

/* Until a close has taken all its time. */
static uint32_t close_left(const usmp_conn_t *conn, uint32_t now)
{
  bool urgent = conn->hint == -USMP_ERR_REPLACED || conn->hint == -USMP_ERR_SHUTDOWN;
  return time_left(conn->closed_at, urgent ? USMP_SHORT_CLOSE_MS : USMP_CLOSE_MS, now);
}

/* Until the connection ends for lack of an answer. */
static uint32_t lifetime_left(const usmp_conn_t *conn, uint32_t now)
{
  const usmp_config_t *config = conn->config;

  if (usmp_conn_is_closing(conn)) return close_left(conn, now);
  if (conn->state >= USMP_CONN_ESTABLISHED) {
    if (conn->paused) return UINT32_MAX;
    return time_left(conn->received_at, ms_or_default(config->idle_ms, USMP_IDLE_MS), now);
  }
  /* A line is always open. */
  if (usmp_conn_is_serial(conn) && conn->state == USMP_CONN_AWAIT_HELLO && !conn->u.server.refusal) return UINT32_MAX;
  bool server = conn->state == USMP_CONN_AWAIT_HELLO || conn->state == USMP_CONN_AWAIT_HELLO_ACK;
  return time_left(
    conn->received_at,
    server ? ms_or_default(config->handshake_ms, USMP_HANDSHAKE_MS) : ms_or_default(config->step_ms, USMP_STEP_MS), now);
}

uint32_t usmp_conn_poll_timeout(const usmp_conn_t *conn, uint32_t now)
{
  if (!conn || conn->state == USMP_CONN_CLOSED) return UINT32_MAX;
  return shorter(shorter(lifetime_left(conn, now), usmp_keepalive_ping_left(conn, now)),
                 usmp_datagram_retransmit_left(conn, now));
}

static bool has_undelivered(const usmp_conn_t *conn)
{
  for (size_t at = conn->tx_head; at < conn->tx_tail; at += usmp_tx_frame_size(conn->tx + at)) {
    if (usmp_tx_is_message(conn->tx + at)) return true;
  }
  return false;
}

/* Of a close. Who asked for a good end must hear that messages were lost. */
static int close_timeout_reason(const usmp_conn_t *conn)
{
  bool lost = conn->hint == -USMP_ERR_CLOSED && has_undelivered(conn);
  return lost ? USMP_ERR_TRANSPORT_FAILED : -conn->hint;
}

/* Of a connection whose time is up. */
static int timeout_reason(const usmp_conn_t *conn)
{
  if (usmp_conn_is_closing(conn)) return close_timeout_reason(conn);
  if (conn->state == USMP_CONN_ESTABLISHED) return USMP_ERR_IDLE_TIMEOUT;
  /* A server whose look-up failed, and no other one has succeeded since. */
  if (conn->state == USMP_CONN_AWAIT_HELLO && conn->u.server.refusal) return conn->u.server.refusal;
  return USMP_ERR_HANDSHAKE_TIMEOUT;
}

void usmp_conn_handle_timeout(usmp_conn_t *conn, uint32_t now)
{
  int err = USMP_OK;

  if (!conn || conn->state == USMP_CONN_CLOSED) return;
  conn->now = now;
  if (lifetime_left(conn, now) == 0) {
    usmp_conn_close_with(conn, timeout_reason(conn));
    return;
  }
  if (usmp_datagram_retransmit_left(conn, now) == 0) err = usmp_datagram_on_timeout(conn);
  if (err == USMP_OK && usmp_keepalive_ping_left(conn, now) == 0) err = usmp_keepalive_ping(conn);
  usmp_conn_command_result(conn, err);
}

bool usmp_conn_poll_event(usmp_conn_t *conn, usmp_event_t *event)
{
  unsigned kind = USMP_EVENT_CONNECTED;

  if (!conn || !event || conn->events == 0) return false;
  while (!(conn->events & USMP_PENDING(kind))) kind++;
  conn->events &= (uint8_t)~USMP_PENDING(kind);
  event->kind = (usmp_event_kind_t)kind;
  event->reason = conn->error;
  event->data = conn->message;
  event->len = conn->event_len;
  event->offset = (size_t)(conn->fragment.length - conn->event_len);
  event->last = conn->fragment.frames == 0;
  return true;
}
