#include "usmp/connection.h"

#include <limits.h>
#include <string.h>

#include "connection_internal.h"
#include "usmp/callbacks.h"
#include "usmp/cobs.h"

#define ACK_ROOM 16 /* in front of the queue: the one acknowledgement that waits to leave */
#define COBS_ROOM 4 /* a zero on both sides and two code bytes */
#define COBS_LEAD 3 /* the frame stands so far behind, that it can be encoded in place */

#define SECOND 1000u
#define PING_TIMEOUT 5000u /* datagrams: the answer to a PING is taken for lost */
#define GAP_BITS 10 /* a gap between two PINGs: 0 to 1000 ms */
#define GAP_MASK ((1u << GAP_BITS) - 1)
#define STALLED_MS 10000u /* twice the longest retransmission timeout: who looks so late could not look before */

/* The bit of an event that waits to be fetched. */
#define PENDING(kind) (1u << (kind))

/* ---- begin and end ---- */

static bool kind_available(uint8_t kind)
{
  return kind == USMP_KIND_STREAM || (USMP_WITH_DATAGRAM && kind == USMP_KIND_DATAGRAM) ||
         (USMP_WITH_SERIAL && kind == USMP_KIND_SERIAL);
}

int usmp_conn_init(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers,
                   uint32_t now)
{
  if (!conn || !config || !buffers) return USMP_ERR_INVALID_ARGUMENT;
  memset(conn, 0, sizeof *conn);
  conn->state = USMP_CONN_CLOSED;
  conn->error = USMP_ERR_NOT_CONNECTED;
  bool framed = config->kind != USMP_KIND_DATAGRAM; /* out of a stream or line */
  size_t message_len = config->stream_fragments ? USMP_FRAGMENT_BUFFER_SIZE : USMP_MESSAGE_BUFFER_SIZE;
  if (!config->crypto || !config->random || !kind_available(config->kind) ||
      !usmp_suite_available(usmp_conn_suite(config)) || !buffers->message || !buffers->tx ||
      buffers->message_len < message_len || buffers->tx_len < USMP_TX_BUFFER_SIZE(1) ||
      (framed && (!buffers->frame || buffers->frame_len < USMP_FRAME_BUFFER_SIZE))) {
    return USMP_ERR_INVALID_ARGUMENT;
  }
  conn->config = config;
  conn->datagram = config->kind == USMP_KIND_DATAGRAM;
  conn->serial = config->kind == USMP_KIND_SERIAL;
  conn->error = 0;
  conn->message = buffers->message;
  conn->tx = buffers->tx;
  conn->tx_cap = buffers->tx_len > UINT16_MAX ? UINT16_MAX : (uint16_t)buffers->tx_len;
  conn->tx_head = conn->tx_tail = ACK_ROOM;
  conn->now = conn->received_at = conn->sent_at = now;
  if (usmp_conn_is_datagram(conn)) {
    usmp_arq_init(&conn->arq);
  } else {
    usmp_deframer_init(&conn->deframer, buffers->frame);
  }
  return USMP_OK;
}

static void clear_queue(usmp_conn_t *conn)
{
  conn->tx_head = conn->tx_tail = ACK_ROOM;
  conn->tx_prev_key_len = 0;
  conn->arq.sends = 0;
  conn->arq.resend = false;
}

/* What waits to leave is from now on sealed under an old key. */
static void keys_changed(usmp_conn_t *conn)
{
  conn->tx_prev_key_len = (uint16_t)(conn->tx_tail - conn->tx_head);
}

int usmp_conn_close_with(usmp_conn_t *conn, int error)
{
  if (conn->state == USMP_CONN_CLOSED) return conn->error;
  /* An attempt with a wrong proof ends with that, whatever else ends it. */
  if (conn->state == USMP_CONN_AWAIT_HELLO_ACK && conn->u.server.last_wrong) error = conn->u.server.last_wrong;
  conn->state = USMP_CONN_CLOSED;
  conn->error = (int8_t)error;
  conn->events |= PENDING(USMP_EVENT_CLOSED);
  if (usmp_conn_is_datagram(conn)) clear_queue(conn);
  usmp_wipe(&conn->u, sizeof conn->u);
  return error;
}

void usmp_conn_wipe(usmp_conn_t *conn)
{
  if (!conn) return;
  usmp_wipe(conn, sizeof *conn);
  conn->state = USMP_CONN_CLOSED;
  conn->error = USMP_ERR_NOT_CONNECTED;
}

void usmp_conn_establish(usmp_conn_t *conn, const usmp_traffic_keys_t *keys, const uint8_t *session_id,
                         uint8_t suite, bool client)
{
  uint8_t id[USMP_SESSION_ID_LEN];

  memcpy(id, session_id, sizeof id); /* may lie in the handshake state */
  usmp_wipe(&conn->u, sizeof conn->u);
  usmp_record_layer_init(&conn->u.record_layer, keys, id, suite, client, usmp_conn_is_datagram(conn));
  if (usmp_conn_is_datagram(conn)) clear_queue(conn);
  conn->state = USMP_CONN_ESTABLISHED;
  conn->received_at = conn->sent_at = conn->refilled_at = conn->now;
  conn->flood_budget = USMP_FLOOD_BUDGET_MS;
  conn->rekey_from = conn->now - USMP_REKEY_BUDGET_MS;
  conn->pinged_at = conn->now - SECOND; /* as if four had left then */
  conn->ping_gaps = 0;
  conn->pings_unanswered = 0;
  conn->pongs = 0;
  conn->events |= PENDING(USMP_EVENT_CONNECTED);
}

/* ---- the transmit queue ---- */

static size_t queue_room(const usmp_conn_t *conn)
{
  return (size_t)(conn->tx_cap - ACK_ROOM) - (size_t)(conn->tx_tail - conn->tx_head);
}

static size_t room_for(const usmp_conn_t *conn, size_t payload_len)
{
  return USMP_HEADER_SIZE + payload_len + (usmp_conn_is_serial(conn) ? COBS_ROOM : 0);
}

/* Where the next frame is to be written, or null when the queue is full. */
static uint8_t *reserve(usmp_conn_t *conn, size_t payload_len)
{
  size_t room = room_for(conn, payload_len);

  if (room > queue_room(conn)) return NULL;
  if (conn->tx_tail + room > conn->tx_cap) {
    size_t used = (size_t)(conn->tx_tail - conn->tx_head);
    memmove(conn->tx + ACK_ROOM, conn->tx + conn->tx_head, used);
    conn->tx_head = ACK_ROOM;
    conn->tx_tail = (uint16_t)(ACK_ROOM + used);
  }
  return conn->tx + conn->tx_tail + (usmp_conn_is_serial(conn) ? COBS_LEAD : 0);
}

/* The frame that was written where reserve said is complete. */
static void commit(usmp_conn_t *conn, size_t frame_len)
{
  uint8_t *tail = conn->tx + conn->tx_tail;

  if (usmp_conn_is_serial(conn)) {
    frame_len = 1 + usmp_cobs_encode(tail + COBS_LEAD, frame_len, tail + 1);
    tail[0] = 0;
    tail[frame_len++] = 0;
  }
  conn->tx_tail = (uint16_t)(conn->tx_tail + frame_len);
  conn->sent_at = conn->now;
}

int usmp_conn_queue_plain(usmp_conn_t *conn, uint32_t type, uint32_t seq, const uint8_t *payload,
                          size_t len)
{
  if (usmp_conn_is_datagram(conn)) clear_queue(conn);
  uint8_t *frame = reserve(conn, len);
  if (!frame) return USMP_ERR_QUEUE_FULL;
  memcpy(frame + USMP_HEADER_SIZE, payload, len);
  int frame_len = usmp_frame_encode(frame, type, seq, len);
  if (frame_len < 0) return frame_len;
  commit(conn, (size_t)frame_len);
  return USMP_OK;
}

/* Seals and queues one frame. QUEUE_FULL changes nothing; any other error must end the connection. */
static int queue_sealed(usmp_conn_t *conn, uint32_t type, const uint8_t *text, size_t len)
{
  uint8_t *frame = reserve(conn, len + USMP_SEAL_OVERHEAD);
  if (!frame) return USMP_ERR_QUEUE_FULL;
  if (len) memcpy(frame + USMP_PLAINTEXT_OFFSET, text, len);
  int frame_len = usmp_record_layer_seal(&conn->u.record_layer, conn->config->crypto, type, frame, len);
  if (frame_len < 0) {
    usmp_wipe(frame, USMP_PLAINTEXT_OFFSET + len);
    return frame_len;
  }
  commit(conn, (size_t)frame_len);
  return USMP_OK;
}

/* Datagrams: the frame under way or next to go, null if the queue is empty. */
static const uint8_t *head(const usmp_conn_t *conn)
{
  return conn->tx_head == conn->tx_tail ? NULL : conn->tx + conn->tx_head;
}

static size_t frame_size(const uint8_t *frame)
{
  return USMP_HEADER_SIZE + (size_t)usmp_load16(frame + 8);
}

static bool is_message_frame(const uint8_t *frame)
{
  return frame[3] == USMP_TYPE_DATA || frame[3] == USMP_TYPE_DATA_FRAG;
}

static void pop(usmp_conn_t *conn)
{
  size_t len = frame_size(conn->tx + conn->tx_head);

  conn->tx_head = (uint16_t)(conn->tx_head + len);
  conn->tx_prev_key_len = conn->tx_prev_key_len > len ? (uint16_t)(conn->tx_prev_key_len - len) : 0;
  conn->arq.sends = 0;
  conn->arq.resend = false;
}

static bool is_closing(const usmp_conn_t *conn)
{
  return USMP_WITH_DATAGRAM && conn->state == USMP_CONN_CLOSING;
}

static bool rekey_unacknowledged(const usmp_conn_t *conn)
{
  return usmp_conn_is_datagram(conn) && head(conn) && head(conn)[3] == USMP_TYPE_REKEY;
}

/* ---- time ---- */

static uint32_t or_default(uint32_t ms, uint32_t otherwise)
{
  return ms ? ms : otherwise;
}

/* What is left of `span` since `from`; right when the clock wraps. */
static uint32_t left(uint32_t from, uint32_t span, uint32_t now)
{
  uint32_t elapsed = now - from;
  return elapsed >= span ? 0 : span - elapsed;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

/* ---- budgets: what the peer may cost us, and our own PONGs ---- */

/* While this end does not read, the peer's frames pile up without its fault, so the time counts in full. */
static void refill(usmp_conn_t *conn)
{
  uint32_t elapsed = conn->now - conn->refilled_at;
  uint32_t full = conn->paused ? UINT32_MAX / 2 : USMP_FLOOD_BUDGET_MS;

  conn->refilled_at = conn->now;
  if (elapsed > INT32_MAX) return; /* a clock that ran back */
  if (conn->flood_budget < full) conn->flood_budget += smaller(elapsed, full - conn->flood_budget);
  if (elapsed >= SECOND) conn->pongs = 0; /* all were older than refilled_at */
}

static bool spend_flood_budget(usmp_conn_t *conn, uint32_t cost)
{
  refill(conn);
  if (conn->flood_budget < cost) return false;
  conn->flood_budget -= cost;
  return true;
}

/* False when eight have left within a second. */
static bool may_pong(usmp_conn_t *conn)
{
  while (conn->pongs > 0 && (uint16_t)(conn->now - conn->pong_times[conn->pongs - 1]) >= SECOND) conn->pongs--;
  return conn->pongs < USMP_MAX_PONGS_PER_SECOND;
}

static int pong(usmp_conn_t *conn)
{
  if (!may_pong(conn)) return USMP_OK;
  int err = queue_sealed(conn, USMP_TYPE_PONG, NULL, 0);
  if (err == USMP_ERR_QUEUE_FULL) return USMP_OK; /* what fills the queue is a sign of life as well */
  if (err != USMP_OK) return err;
  memmove(conn->pong_times + 1, conn->pong_times, sizeof conn->pong_times - sizeof conn->pong_times[0]);
  conn->pong_times[0] = (uint16_t)conn->now;
  conn->pongs++;
  return USMP_OK;
}

/* ---- our PINGs ---- */

/* Until one more PING may leave: at most four in any second, those behind a REKEY and those of keepalive included. The last
   four are known by the time of the newest and the three gaps before it, so that the rule is exact and takes four bytes. */
static uint32_t ping_allowed_left(const usmp_conn_t *conn, uint32_t now)
{
  uint32_t gaps = conn->ping_gaps;
  uint32_t span = (gaps & GAP_MASK) + (gaps >> GAP_BITS & GAP_MASK) + (gaps >> 2 * GAP_BITS & GAP_MASK);
  return span >= SECOND ? 0 : left(conn->pinged_at, SECOND - span, now);
}

/* Until a PING is due: one that is wanted, or keepalive's: the client's, and that of either side that does not read. While
   the queue is full none is. */
static uint32_t ping_left(const usmp_conn_t *conn, uint32_t now)
{
  uint32_t keepalive = or_default(conn->config->keepalive_ms, USMP_KEEPALIVE_MS);

  if (conn->state != USMP_CONN_ESTABLISHED || room_for(conn, USMP_SEAL_OVERHEAD) > queue_room(conn)) return UINT32_MAX;
  uint32_t allowed = ping_allowed_left(conn, now);
  if (conn->ping_requested) return allowed;
  bool paused = conn->paused;
  if (!conn->u.record_layer.client && !paused) return UINT32_MAX;
  if (paused) keepalive = smaller(keepalive, USMP_KEEPALIVE_MS);
  uint32_t due = left(conn->sent_at, keepalive, now);
  if (!paused) due = smaller(due, larger(left(conn->received_at, keepalive, now), left(conn->pinged_at, keepalive, now)));
  return larger(due, allowed);
}

static int ping(usmp_conn_t *conn)
{
  int err = queue_sealed(conn, USMP_TYPE_PING, NULL, 0);
  if (err != USMP_OK) return err;
  uint32_t since = conn->now - conn->pinged_at;
  conn->ping_gaps = conn->ping_gaps << GAP_BITS | smaller(since, SECOND);
  conn->pinged_at = conn->now;
  if (usmp_conn_is_datagram(conn) && since >= PING_TIMEOUT) conn->pings_unanswered = 0;
  if (conn->pings_unanswered < USMP_MAX_PINGS_OPEN) conn->pings_unanswered++;
  conn->ping_requested = false;
  return USMP_OK;
}

/* At once if it may, else when usmp_conn_handle_timeout finds that it may. */
static int request_ping(usmp_conn_t *conn)
{
  conn->ping_requested = true;
  return ping_left(conn, conn->now) == 0 ? ping(conn) : USMP_OK;
}

/* ---- what becomes of an error ---- */

static int drop(usmp_conn_t *conn, int error)
{
  conn->last_drop = (int8_t)error;
  if (conn->dropped < UINT16_MAX) conn->dropped++;
  return USMP_OK;
}

/* The one place that decides: does it end the connection, or is it dropped and counted? What anybody could
   have sent must not end a connection over datagrams, nor a handshake on a line that two sides share
   with noise and boot messages. */
static int handle_frame_error(usmp_conn_t *conn, int error)
{
  bool platform = error >= USMP_ERR_TRANSPORT_FAILED && error <= USMP_ERR_RANDOM_FAILED;
  bool frame = error >= USMP_ERR_BAD_COBS && error <= USMP_ERR_BAD_MAGIC;
  bool dropped = usmp_conn_is_datagram(conn) ||
                 (usmp_conn_is_serial(conn) && (frame || conn->state < USMP_CONN_ESTABLISHED));

  if (error >= 0) return error;
  if (conn->state == USMP_CONN_CLOSED) return conn->error;
  /* BYE and a flood are the peer's own. */
  if (dropped && !platform && error != USMP_ERR_CLOSED && error != USMP_ERR_FLOOD) return drop(conn, error);
  /* On a line nothing else would tell the peer that the session is over; a BYE is not answered. */
  if (usmp_conn_is_serial(conn) && error != USMP_ERR_CLOSED) usmp_conn_close(conn, error, conn->now);
  return usmp_conn_close_with(conn, error);
}

/* A sealed frame that did not open. On a line, what is not authentic is noise that fooled the CRC, or left from an
   older session; an authentic frame out of order is a loss. */
static int handle_open_error(usmp_conn_t *conn, int error)
{
  bool authentic = error == USMP_ERR_SEQ_MISMATCH || error == USMP_ERR_SEQ_EXHAUSTED || error == USMP_ERR_CRYPTO_FAILED;
  return usmp_conn_is_serial(conn) && !authentic ? drop(conn, error) : error;
}

/* ---- datagrams ---- */

static void acknowledge(usmp_conn_t *conn, const usmp_frame_t *frame, const uint8_t *key)
{
  int len = usmp_utack_build(conn->config->crypto, key, frame->type, frame->seq, conn->tx);
  conn->ack_len = len > 0 ? (unsigned)len & 0x0fu : 0;
}

/* Where the CRC of a handshake frame that was taken is remembered: the first answer or question, and the second. */
static uint16_t *accepted_as(usmp_conn_t *conn, uint32_t type)
{
  return &conn->accepted[type == USMP_TYPE_HELLO_ACK || type == USMP_TYPE_SESSION_OK];
}

bool usmp_conn_is_accepted(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  return *accepted_as(conn, frame->type) == usmp_load16(frame->header + 10);
}

void usmp_conn_acknowledge_again(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  acknowledge(conn, frame, NULL);
}

void usmp_conn_acknowledge_plain(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (!usmp_conn_is_datagram(conn)) return;
  *accepted_as(conn, frame->type) = usmp_load16(frame->header + 10);
  acknowledge(conn, frame, NULL);
}

/* Datagrams that are closing: nothing is under way any more. */
static int queue_bye(usmp_conn_t *conn)
{
  int err = queue_sealed(conn, USMP_TYPE_BYE, NULL, 0);
  return err == USMP_OK ? err : usmp_conn_close_with(conn, -conn->hint);
}

/* The frame at the head has arrived. */
static int on_delivered(usmp_conn_t *conn)
{
  bool rekey = rekey_unacknowledged(conn);

  pop(conn);
  if (is_closing(conn) && !head(conn)) return queue_bye(conn);
  return rekey && conn->u.record_layer.rekey_pending ? request_ping(conn) : USMP_OK;
}

static int on_utack(usmp_conn_t *conn, const uint8_t *datagram, size_t len)
{
  const uint8_t *frame = head(conn);
  const usmp_record_layer_t *s = &conn->u.record_layer;
  const usmp_crypto_t *crypto = conn->config->crypto;

  if (!frame || conn->arq.sends == 0) return USMP_OK;
  uint32_t type = frame[3];
  uint32_t seq = usmp_load32(frame + 4);
  if (type == USMP_TYPE_HELLO) return USMP_OK; /* HELLO_RETRY is not repeated: only an answer stops it */
  /* Under the key of the frame itself: an acknowledgement of the same number under another key may be an old one. Only
     REKEY is acknowledged under the new key too, by published peers that hear its repeat. */
  bool good = conn->tx_prev_key_len > 0 && usmp_utack_proves(crypto, s->prev_tx_key, type, seq, datagram, len);
  if (!good && (conn->tx_prev_key_len == 0 || type == USMP_TYPE_REKEY)) {
    good = usmp_utack_proves(crypto, s->tx_key, type, seq, datagram, len);
  }
  if (!good) return USMP_OK;
  usmp_arq_acked(&conn->arq, conn->now);
  return on_delivered(conn);
}

/* An authenticated frame tells that SESSION_OK, or a REKEY that it answers, has arrived. */
static void acknowledge_implicitly(usmp_conn_t *conn)
{
  const uint8_t *frame = head(conn);

  if (!usmp_conn_is_datagram(conn) || !frame) return;
  if (frame[3] < USMP_TYPE_DATA || (frame[3] == USMP_TYPE_REKEY && !conn->u.record_layer.rekey_pending)) pop(conn);
}

/* ---- established ---- */

static int on_control(usmp_conn_t *conn, uint32_t type)
{
  if (type == USMP_TYPE_PONG && conn->pings_unanswered > 0) conn->pings_unanswered--; /* an answer */
  else if (!spend_flood_budget(conn, USMP_FLOOD_COST_CONTROL_MS)) return USMP_ERR_FLOOD;
  if (type == USMP_TYPE_PING) return pong(conn);
  conn->events |= PENDING(USMP_EVENT_PONG);
  return USMP_OK;
}

static int on_rekey(usmp_conn_t *conn, uint8_t *salt)
{
  bool affordable = spend_flood_budget(conn, USMP_FLOOD_COST_REKEY_MS);
  int result = affordable ? usmp_record_layer_accept_rekey(&conn->u.record_layer, conn->config->crypto, salt) : USMP_ERR_FLOOD;

  usmp_wipe(salt, USMP_REKEY_SALT_SIZE);
  if (result == 1 && rekey_unacknowledged(conn)) clear_queue(conn);
  if (result >= 0 && !conn->u.record_layer.rekey_collided_client) keys_changed(conn);
  return result < 0 ? result : USMP_OK;
}

static int on_message_frame(usmp_conn_t *conn, const usmp_frame_t *frame, size_t len)
{
  usmp_fragment_t *fragment = &conn->fragment;

  if (usmp_conn_is_datagram(conn) && conn->config->drop_late && frame->seq < fragment->next) return USMP_ERR_SEQ_MISMATCH;
  int done = usmp_fragment_push(fragment, frame->type, frame->seq, len);
  if (done < 0) return done;
  bool stream = conn->config->stream_fragments;
  if (stream || done) {
    conn->event_len = stream ? (uint16_t)len : fragment->length;
    conn->events |= PENDING(USMP_EVENT_MESSAGE);
  }
  return USMP_OK;
}

static bool is_data(const usmp_frame_t *frame)
{
  return frame->type == USMP_TYPE_DATA || frame->type == USMP_TYPE_DATA_FRAG;
}

static int on_plaintext(usmp_conn_t *conn, const usmp_frame_t *frame, uint8_t *text, size_t len)
{
  bool data = is_data(frame);

  if (!data && len != (frame->type == USMP_TYPE_REKEY ? USMP_REKEY_SALT_SIZE : 0)) return USMP_ERR_BAD_PAYLOAD;
  if (data) return on_message_frame(conn, frame, len);
  if (conn->fragment.frames > 0) {
    conn->fragment.frames = 0;
    if (!usmp_conn_is_datagram(conn)) return USMP_ERR_BAD_FRAGMENT;
  }
  if (frame->type == USMP_TYPE_BYE) return USMP_ERR_CLOSED;
  if (frame->type == USMP_TYPE_REKEY) return on_rekey(conn, text);
  return on_control(conn, frame->type);
}

/* What is taken in although a message still lies in its buffer (datagrams): it is opened elsewhere. */
static bool is_control_frame(const usmp_frame_t *frame)
{
  bool control = (frame->type >= USMP_TYPE_PING && frame->type <= USMP_TYPE_BYE) || frame->type == USMP_TYPE_REKEY;
  return control && frame->length <= USMP_SEAL_OVERHEAD + USMP_REKEY_SALT_SIZE;
}

static int on_sealed(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  usmp_record_layer_t *s = &conn->u.record_layer;
  uint8_t *text = conn->message + (conn->config->stream_fragments ? 0 : usmp_fragment_begin(&conn->fragment));
  uint8_t control_text[USMP_REKEY_SALT_SIZE];
  int epochs = s->epoch_count;
  int epoch;

  if (usmp_conn_is_datagram(conn) && conn->paused) {
    if (!is_control_frame(frame)) return USMP_ERR_QUEUE_FULL; /* not acknowledged: it comes again */
    text = control_text;
  }
  int len = usmp_record_layer_open(s, conn->config->crypto, frame, text, &epoch);
  if (usmp_conn_is_datagram(conn) && epoch >= 0 && (len >= 0 || len == USMP_ERR_REPLAYED)) {
    acknowledge(conn, frame, s->epochs[epoch].key);
  }
  if (len < 0) return handle_open_error(conn, len);
  conn->received_at = conn->now;
  acknowledge_implicitly(conn);
  if (s->epoch_count < epochs) { /* the peer has gone over to newer keys, and its numbers start from 0 */
    bool broken = conn->fragment.frames > 0; /* pieces under two keys are not one message */
    conn->fragment.frames = 0;
    conn->fragment.next = 0;
    if (broken && (!usmp_conn_is_datagram(conn) || is_data(frame))) return USMP_ERR_BAD_FRAGMENT;
  }
  return on_plaintext(conn, frame, text, (size_t)len);
}

static bool is_handshake_type(uint32_t type)
{
  return type < USMP_TYPE_DATA || type == USMP_TYPE_HELLO_RETRY;
}

static int on_frame(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (frame->type == USMP_TYPE_ERROR) { /* not authenticated: changes nothing */
    if (conn->state < USMP_CONN_ESTABLISHED && frame->length == USMP_ERROR_SIZE) conn->hint = frame->payload[0];
    if (conn->dropped < UINT16_MAX) conn->dropped++;
    return USMP_OK;
  }
  if (conn->state < USMP_CONN_ESTABLISHED) return conn->handshake(conn, frame);
  if (usmp_conn_is_datagram(conn) && is_handshake_type(frame->type)) {
    if (!usmp_conn_is_accepted(conn, frame)) return USMP_ERR_UNEXPECTED_PACKET;
    acknowledge(conn, frame, NULL); /* repeated, because an acknowledgement was lost */
    return USMP_OK;
  }
  return conn->state == USMP_CONN_ESTABLISHED ? on_sealed(conn, frame) : USMP_OK;
}

/* ---- input ---- */

/* Nobody refers to the key before the last rekey any more. */
static void wipe_prev_key(usmp_conn_t *conn)
{
  usmp_record_layer_t *s = &conn->u.record_layer;
  if (conn->state < USMP_CONN_ESTABLISHED) return;
  if (!s->rekey_pending && conn->tx_head == conn->tx_tail) usmp_wipe(s->prev_tx_key, USMP_KEY_SIZE);
}

static int receive_datagram(usmp_conn_t *conn, const uint8_t *bytes, size_t len, bool utack)
{
  usmp_frame_t frame;
  int err;

  if (utack) {
    err = on_utack(conn, bytes, len);
  } else {
    err = usmp_frame_decode(bytes, len, &frame);
    if (err == USMP_OK) err = on_frame(conn, &frame);
  }
  err = handle_frame_error(conn, err);
  return err < 0 ? err : (int)len;
}

static bool must_fetch_event(const usmp_conn_t *conn)
{
  return (conn->events & (PENDING(USMP_EVENT_CONNECTED) | PENDING(USMP_EVENT_MESSAGE))) != 0;
}

static int receive_chunk(usmp_conn_t *conn, const uint8_t *bytes, size_t len)
{
  usmp_frame_t frame;
  size_t total = 0;

  while (!must_fetch_event(conn)) {
    size_t used;
    int found = usmp_conn_is_serial(conn)
                  ? usmp_deframer_packets(&conn->deframer, bytes + total, len - total, &used, &frame)
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
  int result = usmp_conn_is_datagram(conn) ? receive_datagram(conn, bytes, len, utack)
                                           : receive_chunk(conn, bytes, len);
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

/* ---- the application's commands ---- */

/* The commands share this: QUEUE_FULL and a caller's mistake leave the session as it is. */
static int command_result(usmp_conn_t *conn, int err)
{
  if (err >= 0 || err == USMP_ERR_QUEUE_FULL || err == USMP_ERR_INVALID_ARGUMENT) return err;
  return usmp_conn_close_with(conn, err);
}

static int not_connected(usmp_conn_t *conn, uint32_t now)
{
  if (!conn) return USMP_ERR_INVALID_ARGUMENT;
  conn->now = now;
  return conn->state == USMP_CONN_ESTABLISHED ? USMP_OK : USMP_ERR_NOT_CONNECTED;
}

int usmp_conn_send(usmp_conn_t *conn, const uint8_t *message, size_t len, uint32_t now)
{
  int err = not_connected(conn, now);
  if (err != USMP_OK) return err;
  if (!message && len) return USMP_ERR_INVALID_ARGUMENT;
  if (len > USMP_MAX_MESSAGE_LEN) return USMP_ERR_MESSAGE_TOO_LARGE;
  size_t frames = usmp_fragment_count(len);
  if (frames * room_for(conn, USMP_SEAL_OVERHEAD) + len > queue_room(conn)) return USMP_ERR_QUEUE_FULL;
  if (rekey_unacknowledged(conn)) return USMP_ERR_QUEUE_FULL;
  if (frames > USMP_SEQ_END - conn->u.record_layer.tx_next) return usmp_conn_close_with(conn, USMP_ERR_SEQ_EXHAUSTED);

  do {
    size_t part = len > USMP_MAX_DATA_LEN ? USMP_MAX_DATA_LEN : len;
    err = queue_sealed(conn, part < len ? USMP_TYPE_DATA_FRAG : USMP_TYPE_DATA, message, part);
    message = message ? message + part : NULL;
    len -= part;
  } while (err == USMP_OK && len > 0);
  return command_result(conn, err);
}

int usmp_conn_ping(usmp_conn_t *conn, uint32_t now)
{
  int err = not_connected(conn, now);
  return err != USMP_OK ? err : command_result(conn, request_ping(conn));
}

int usmp_conn_rekey(usmp_conn_t *conn, uint32_t now)
{
  const size_t salt_room = USMP_SEAL_OVERHEAD + USMP_REKEY_SALT_SIZE;
  uint8_t salt[USMP_REKEY_SALT_SIZE];

  int err = not_connected(conn, now);
  if (err != USMP_OK) return err;
  bool datagram = usmp_conn_is_datagram(conn);
  if (datagram && head(conn)) return USMP_ERR_QUEUE_FULL;
  if (2 * room_for(conn, salt_room) > queue_room(conn)) return USMP_ERR_QUEUE_FULL; /* and the PING */
  uint32_t budget = smaller(now - conn->rekey_from, USMP_REKEY_BUDGET_MS);
  if (budget < USMP_REKEY_COST_MS) return USMP_ERR_INVALID_ARGUMENT;
  int drawn = conn->config->random(conn->config->context, salt, sizeof salt);
  err = usmp_callback_result(drawn, USMP_ERR_RANDOM_FAILED);
  if (err != USMP_OK) return usmp_conn_close_with(conn, err);

  uint8_t *frame = reserve(conn, salt_room);
  int len = usmp_record_layer_start_rekey(&conn->u.record_layer, conn->config->crypto, salt, frame);
  usmp_wipe(salt, sizeof salt);
  if (len < 0) return command_result(conn, len);
  conn->rekey_from = now - budget + USMP_REKEY_COST_MS;
  commit(conn, (size_t)len);
  keys_changed(conn);
  /* The peer's answer to a PING under the new key confirms it; on datagrams once the REKEY has arrived. */
  return datagram ? USMP_OK : command_result(conn, request_ping(conn));
}

void usmp_conn_set_paused(usmp_conn_t *conn, bool paused, uint32_t now)
{
  conn->now = conn->received_at = now;
  refill(conn); /* the time until now by the rule that held until now */
  conn->paused = paused;
}

void usmp_conn_close(usmp_conn_t *conn, int reason, uint32_t now)
{
  if (!conn || conn->state == USMP_CONN_CLOSED || conn->state == USMP_CONN_CLOSING) return;
  conn->now = now;
  reason = usmp_known_error(reason, USMP_ERR_ABORTED);
  bool session = conn->state == USMP_CONN_ESTABLISHED;
  if (!session || !usmp_conn_is_datagram(conn)) {
    if (session) queue_sealed(conn, USMP_TYPE_BYE, NULL, 0);
    usmp_conn_close_with(conn, reason);
    return;
  }
  conn->state = USMP_CONN_CLOSING;
  conn->closed_at = now;
  conn->hint = (uint8_t)-reason; /* until the queue is delivered */
  if (!head(conn)) queue_bye(conn);
}

/* ---- the three polls ---- */

size_t usmp_conn_poll_transmit(const usmp_conn_t *conn, const uint8_t **bytes)
{
  if (!conn || !bytes || !conn->config) return 0;
  if (conn->ack_len > 0) {
    *bytes = conn->tx;
    return conn->ack_len;
  }
  *bytes = head(conn);
  if (!*bytes) return 0;
  if (!usmp_conn_is_datagram(conn)) return (size_t)(conn->tx_tail - conn->tx_head);
  return conn->arq.sends == 0 || conn->arq.resend ? frame_size(*bytes) : 0;
}

static void transmitted_datagram(usmp_conn_t *conn)
{
  if (conn->ack_len > 0) {
    conn->ack_len = 0;
    return;
  }
  if (!head(conn)) return;
  uint32_t type = head(conn)[3];
  /* Two courtesies: sent once. */
  if (type == USMP_TYPE_BYE) usmp_conn_close_with(conn, -conn->hint);
  else if (type == USMP_TYPE_ERROR) pop(conn);
  else usmp_arq_sent(&conn->arq, conn->now);
}

void usmp_conn_transmitted(usmp_conn_t *conn, size_t len, uint32_t now)
{
  if (!conn || !conn->config) return;
  conn->now = now;
  if (usmp_conn_is_datagram(conn)) {
    transmitted_datagram(conn);
    return;
  }
  size_t queued = (size_t)(conn->tx_tail - conn->tx_head);
  conn->tx_head = (uint16_t)(conn->tx_head + len);
  if (len >= queued) conn->tx_head = conn->tx_tail = ACK_ROOM;
}

/* Until a close has taken all its time. */
static uint32_t close_left(const usmp_conn_t *conn, uint32_t now)
{
  bool urgent = conn->hint == -USMP_ERR_REPLACED || conn->hint == -USMP_ERR_SHUTDOWN;
  return left(conn->closed_at, urgent ? USMP_SHORT_CLOSE_MS : USMP_CLOSE_MS, now);
}

/* Until the connection ends for lack of an answer. */
static uint32_t lifetime_left(const usmp_conn_t *conn, uint32_t now)
{
  const usmp_config_t *config = conn->config;

  if (is_closing(conn)) return close_left(conn, now);
  if (conn->state >= USMP_CONN_ESTABLISHED) {
    if (conn->paused) return UINT32_MAX;
    return left(conn->received_at, or_default(config->idle_ms, USMP_IDLE_MS), now);
  }
  /* A line is always open. */
  if (usmp_conn_is_serial(conn) && conn->state == USMP_CONN_AWAIT_HELLO && !conn->u.server.refusal) return UINT32_MAX;
  bool server = conn->state == USMP_CONN_AWAIT_HELLO || conn->state == USMP_CONN_AWAIT_HELLO_ACK;
  return left(conn->received_at, server ? or_default(config->handshake_ms, USMP_HANDSHAKE_MS)
                                     : or_default(config->step_ms, USMP_STEP_MS), now);
}

/* Until the frame under way is to be sent again. */
static uint32_t retransmit_left(const usmp_conn_t *conn, uint32_t now)
{
  return usmp_conn_is_datagram(conn) ? usmp_arq_wait(&conn->arq, now) : UINT32_MAX;
}

uint32_t usmp_conn_poll_timeout(const usmp_conn_t *conn, uint32_t now)
{
  if (!conn || conn->state == USMP_CONN_CLOSED) return UINT32_MAX;
  return smaller(smaller(lifetime_left(conn, now), ping_left(conn, now)), retransmit_left(conn, now));
}

/* Whether the frame under way was repeated for long enough. A message may wait for an application that does not take it, as
   long as its peer shows life. */
static bool retransmit_time_is_over(const usmp_conn_t *conn)
{
  uint32_t age = conn->now - conn->arq.first_sent_at;

  if (is_message_frame(head(conn)) && age < USMP_RETRANSMIT_TIMEOUT_WHILE_ALIVE_MS) age = smaller(age, conn->now - conn->received_at);
  return age >= USMP_RETRANSMIT_TIMEOUT_MS;
}

static int on_retransmit_timeout(usmp_conn_t *conn)
{
  bool session = conn->state >= USMP_CONN_ESTABLISHED;

  if (conn->state == USMP_CONN_ESTABLISHED && retransmit_time_is_over(conn)) {
    /* Who was held up itself sends once more, as the acknowledgement may have come meanwhile. */
    if (conn->now - conn->arq.sent_at < STALLED_MS || !usmp_arq_last_chance(&conn->arq)) return USMP_ERR_TRANSPORT_FAILED;
  }
  usmp_arq_lost(&conn->arq, is_handshake_type(head(conn)[3]));
  if (session) return USMP_OK;
  return conn->on_lost ? conn->on_lost(conn) : USMP_OK;
}

static bool has_undelivered(const usmp_conn_t *conn)
{
  for (size_t at = conn->tx_head; at < conn->tx_tail; at += frame_size(conn->tx + at)) {
    if (is_message_frame(conn->tx + at)) return true;
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
  if (is_closing(conn)) return close_timeout_reason(conn);
  if (conn->state == USMP_CONN_ESTABLISHED) return USMP_ERR_IDLE_TIMEOUT;
  /* A server whose look-up failed, and no other one has come to an end since. */
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
  if (retransmit_left(conn, now) == 0) err = on_retransmit_timeout(conn);
  if (err == USMP_OK && ping_left(conn, now) == 0) err = ping(conn);
  command_result(conn, err);
}

bool usmp_conn_poll_event(usmp_conn_t *conn, usmp_event_t *event)
{
  unsigned kind = USMP_EVENT_CONNECTED;

  if (!conn || !event || conn->events == 0) return false;
  while (!(conn->events & PENDING(kind))) kind++;
  conn->events &= (uint8_t)~PENDING(kind);
  event->kind = (usmp_event_kind_t)kind;
  event->reason = conn->error;
  event->data = conn->message;
  event->len = conn->event_len;
  event->offset = (size_t)(conn->fragment.length - conn->event_len);
  event->last = conn->fragment.frames == 0;
  return true;
}
