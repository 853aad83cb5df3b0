#include "established.h"

#include <string.h>

#include "datagram.h"
#include "keepalive.h"
#include "timing.h"
#include "tx_queue.h"
#include "usmp/callbacks.h"

/* ---- begin ---- */

void usmp_conn_establish(usmp_conn_t *conn, const usmp_traffic_keys_t *keys, const uint8_t *session_id, uint8_t suite,
                         bool client)
{
  uint8_t id[USMP_SESSION_ID_LEN];

  memcpy(id, session_id, sizeof id); /* may lie in the handshake state */
  usmp_wipe(&conn->u, sizeof conn->u);
  usmp_record_layer_init(&conn->u.record_layer, keys, id, suite, client, usmp_conn_is_datagram(conn));
  if (usmp_conn_is_datagram(conn)) usmp_tx_clear(conn);
  conn->state = USMP_CONN_ESTABLISHED;
  conn->rekey_from = conn->now - USMP_REKEY_BUDGET_MS;
  usmp_keepalive_begin(conn);
  conn->events |= USMP_PENDING(USMP_EVENT_CONNECTED);
}

/* ---- frames of the peer ---- */

/* A sealed frame that did not open. On a serial line, what is not authentic is noise that fooled the CRC, or left from an
   older session; an authentic frame out of order is a loss. */
static int handle_open_error(usmp_conn_t *conn, int error)
{
  bool authentic = error == USMP_ERR_SEQ_MISMATCH || error == USMP_ERR_SEQ_EXHAUSTED || error == USMP_ERR_CRYPTO_FAILED;
  return usmp_conn_is_serial(conn) && !authentic ? usmp_conn_drop(conn, error) : error;
}

static int on_rekey(usmp_conn_t *conn, uint8_t *salt)
{
  bool affordable = usmp_keepalive_spend(conn, USMP_FLOOD_COST_REKEY_MS);
  int result = affordable ? conn->wire->accept_rekey(&conn->u.record_layer, conn->config->crypto, salt) : USMP_ERR_FLOOD;

  usmp_wipe(salt, USMP_REKEY_SALT_SIZE);
  if (result == 1 && usmp_conn_is_datagram(conn) && usmp_datagram_rekey_unacknowledged(conn)) usmp_tx_clear(conn);
  if (result >= 0 && !conn->u.record_layer.rekey_collided_client) usmp_tx_key_changed(conn);
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
    conn->events |= USMP_PENDING(USMP_EVENT_MESSAGE);
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
  return usmp_keepalive_receive(conn, frame->type);
}

/* What is taken in although a message still lies in its buffer (datagrams): it is opened elsewhere. */
static bool is_control_frame(const usmp_conn_t *conn, const usmp_frame_t *frame)
{
  bool control = (frame->type >= USMP_TYPE_PING && frame->type <= USMP_TYPE_BYE) || frame->type == USMP_TYPE_REKEY;
  return control && frame->length <= (uint32_t)conn->wire->overhead + USMP_REKEY_SALT_SIZE;
}

int usmp_established_receive(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  usmp_record_layer_t *layer = &conn->u.record_layer;
  uint8_t *text = conn->message + (conn->config->stream_fragments ? 0 : usmp_fragment_begin(&conn->fragment));
  uint8_t control_text[USMP_REKEY_SALT_SIZE];
  int epochs = layer->epoch_count;
  int epoch;

  if (usmp_conn_is_datagram(conn) && conn->paused) {
    if (!is_control_frame(conn, frame)) return USMP_ERR_QUEUE_FULL; /* not acknowledged: it comes again */
    text = control_text;
  }
  int len = conn->wire->open(layer, conn->config->crypto, frame, text, &epoch);
  if (usmp_conn_is_datagram(conn) && epoch >= 0 && (len >= 0 || len == USMP_ERR_REPLAYED)) {
    usmp_datagram_acknowledge(conn, frame, layer->epochs[epoch].key);
  }
  if (len < 0) return handle_open_error(conn, len);
  conn->received_at = conn->now;
  if (usmp_conn_is_datagram(conn)) usmp_datagram_acknowledge_implicitly(conn);
  if (layer->epoch_count < epochs) {         /* the peer has gone over to newer keys, and its numbers start from 0 */
    bool broken = conn->fragment.frames > 0; /* fragments under two keys are not one message */
    conn->fragment.frames = 0;
    conn->fragment.next = 0;
    if (broken && (!usmp_conn_is_datagram(conn) || is_data(frame))) return USMP_ERR_BAD_FRAGMENT;
  }
  return on_plaintext(conn, frame, text, (size_t)len);
}

/* ---- the application's commands ---- */

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
  if (frames * usmp_tx_room_for(conn, conn->wire->overhead) + len > usmp_tx_room(conn)) return USMP_ERR_QUEUE_FULL;
  if (usmp_conn_is_datagram(conn) && usmp_datagram_rekey_unacknowledged(conn)) return USMP_ERR_QUEUE_FULL;
  if (frames > USMP_SEQ_END - conn->u.record_layer.tx_next) return usmp_conn_close_with(conn, USMP_ERR_SEQ_EXHAUSTED);

  do {
    size_t part = len > conn->wire->max_plaintext ? conn->wire->max_plaintext : len;
    err = usmp_tx_queue_sealed(conn, part < len ? USMP_TYPE_DATA_FRAG : USMP_TYPE_DATA, message, part);
    message = message ? message + part : NULL;
    len -= part;
  } while (err == USMP_OK && len > 0);
  return usmp_conn_command_result(conn, err);
}

int usmp_conn_ping(usmp_conn_t *conn, uint32_t now)
{
  int err = not_connected(conn, now);
  return err != USMP_OK ? err : usmp_conn_command_result(conn, usmp_keepalive_request_ping(conn));
}

int usmp_conn_rekey(usmp_conn_t *conn, uint32_t now)
{
  uint8_t salt[USMP_REKEY_SALT_SIZE];

  int err = not_connected(conn, now);
  if (err != USMP_OK) return err;
  size_t salt_room = (size_t)conn->wire->overhead + USMP_REKEY_SALT_SIZE;
  bool datagram = usmp_conn_is_datagram(conn);
  if (datagram && usmp_tx_head(conn)) return USMP_ERR_QUEUE_FULL;
  if (2 * usmp_tx_room_for(conn, salt_room) > usmp_tx_room(conn)) return USMP_ERR_QUEUE_FULL; /* and the PING */
  uint32_t budget = shorter(now - conn->rekey_from, USMP_REKEY_BUDGET_MS);
  if (budget < USMP_REKEY_COST_MS) return USMP_ERR_INVALID_ARGUMENT;
  int drawn = conn->config->random(conn->config->context, salt, sizeof salt);
  err = usmp_callback_result(drawn, USMP_ERR_RANDOM_FAILED);
  if (err != USMP_OK) return usmp_conn_close_with(conn, err);

  err = usmp_tx_queue_rekey(conn, salt);
  usmp_wipe(salt, sizeof salt);
  if (err != USMP_OK) return usmp_conn_command_result(conn, err);
  conn->rekey_from = now - budget + USMP_REKEY_COST_MS;
  /* The peer's answer to a PING under the new key confirms it; on datagrams once the REKEY has arrived. */
  return datagram ? USMP_OK : usmp_conn_command_result(conn, usmp_keepalive_request_ping(conn));
}
