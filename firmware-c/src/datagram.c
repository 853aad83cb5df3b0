#include "datagram.h"

#include "keepalive.h"

#define STALLED_MS 10000u /* twice the longest retransmission timeout: who looks so late could not look before */

/* ---- acknowledgements of what came ---- */

void usmp_datagram_acknowledge(usmp_conn_t *conn, const usmp_frame_t *frame, const uint8_t *key)
{
  int len = usmp_utack_build(conn->config->crypto, key, frame->type, frame->seq, conn->tx);
  conn->ack_len = len > 0 ? (unsigned)len & 0x0fu : 0;
}

/* Where the CRC of a handshake frame that was taken is remembered: the first answer or question, and the second. */
static uint16_t *accepted_as(usmp_conn_t *conn, uint32_t type)
{
  return &conn->accepted[type == USMP_TYPE_HELLO_ACK || type == USMP_TYPE_SESSION_OK];
}

bool usmp_datagram_is_accepted(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  return *accepted_as(conn, frame->type) == usmp_load16(frame->header + 10);
}

void usmp_datagram_on_accepted(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (!usmp_conn_is_datagram(conn)) return;
  *accepted_as(conn, frame->type) = usmp_load16(frame->header + 10);
  usmp_datagram_acknowledge(conn, frame, NULL);
}

int usmp_datagram_on_repeat(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (!usmp_datagram_is_accepted(conn, frame)) return USMP_ERR_UNEXPECTED_PACKET;
  usmp_datagram_acknowledge(conn, frame, NULL); /* an acknowledgement was lost */
  return USMP_OK;
}

/* ---- acknowledgements of what was sent ---- */

bool usmp_datagram_rekey_unacknowledged(const usmp_conn_t *conn)
{
  return usmp_tx_head(conn) && usmp_tx_head(conn)[3] == USMP_TYPE_REKEY;
}

int usmp_datagram_queue_bye(usmp_conn_t *conn)
{
  int err = usmp_tx_queue_sealed(conn, USMP_TYPE_BYE, NULL, 0);
  return err == USMP_OK ? err : usmp_conn_close_with(conn, -conn->hint);
}

/* The frame at the head has arrived. */
static int on_delivered(usmp_conn_t *conn)
{
  bool rekey = usmp_datagram_rekey_unacknowledged(conn);

  usmp_tx_pop(conn);
  if (usmp_conn_is_closing(conn) && !usmp_tx_head(conn)) return usmp_datagram_queue_bye(conn);
  return rekey && conn->u.record_layer.rekey_pending ? usmp_keepalive_request_ping(conn) : USMP_OK;
}

int usmp_datagram_on_utack(usmp_conn_t *conn, const uint8_t *datagram, size_t len)
{
  const uint8_t *frame = usmp_tx_head(conn);
  const usmp_record_layer_t *layer = &conn->u.record_layer;
  const usmp_crypto_t *crypto = conn->config->crypto;

  if (!frame || conn->arq.sends == 0) return USMP_OK;
  uint32_t type = frame[3];
  uint32_t seq = usmp_load32(frame + 4);
  if (type == USMP_TYPE_HELLO) return USMP_OK; /* HELLO_RETRY is not repeated: only an answer stops it */
  /* Under the key of the frame itself: an acknowledgement of the same number under another key may be an old one. Only
     REKEY is acknowledged under the new key too, by published peers that hear its repeat. */
  bool good = conn->tx_prev_key_len > 0 && usmp_utack_proves(crypto, layer->prev_tx_key, type, seq, datagram, len);
  if (!good && (conn->tx_prev_key_len == 0 || type == USMP_TYPE_REKEY)) {
    good = usmp_utack_proves(crypto, layer->tx_key, type, seq, datagram, len);
  }
  if (!good) return USMP_OK;
  usmp_arq_acked(&conn->arq, conn->now);
  return on_delivered(conn);
}

void usmp_datagram_acknowledge_implicitly(usmp_conn_t *conn)
{
  const uint8_t *frame = usmp_tx_head(conn);

  if (!frame) return;
  if (frame[3] < USMP_TYPE_DATA || (frame[3] == USMP_TYPE_REKEY && !conn->u.record_layer.rekey_pending)) usmp_tx_pop(conn);
}

/* ---- sending, and again ---- */

void usmp_datagram_transmitted(usmp_conn_t *conn)
{
  if (conn->ack_len > 0) {
    conn->ack_len = 0;
    return;
  }
  if (!usmp_tx_head(conn)) return;
  uint32_t type = usmp_tx_head(conn)[3];
  /* Two courtesies: sent once. */
  if (type == USMP_TYPE_BYE) usmp_conn_close_with(conn, -conn->hint);
  else if (type == USMP_TYPE_ERROR) usmp_tx_pop(conn);
  else usmp_arq_sent(&conn->arq, conn->now);
}

/* Whether the frame under way was repeated for long enough. A message may wait for an application that does not take it, as
   long as its peer shows life. */
static bool retransmit_time_is_over(const usmp_conn_t *conn)
{
  uint32_t age = conn->now - conn->arq.first_sent_at;

  if (usmp_tx_is_message(usmp_tx_head(conn)) && age < USMP_RETRANSMIT_TIMEOUT_WHILE_ALIVE_MS)
    age = shorter(age, conn->now - conn->received_at);
  return age >= USMP_RETRANSMIT_TIMEOUT_MS;
}

int usmp_datagram_on_timeout(usmp_conn_t *conn)
{
  bool session = conn->state >= USMP_CONN_ESTABLISHED;

  if (conn->state == USMP_CONN_ESTABLISHED && retransmit_time_is_over(conn)) {
    /* Who was held up itself sends once more, as the acknowledgement may have come meanwhile. */
    if (conn->now - conn->arq.sent_at < STALLED_MS || !usmp_arq_last_chance(&conn->arq)) return USMP_ERR_TRANSPORT_FAILED;
  }
  usmp_arq_lost(&conn->arq, usmp_is_handshake_type(usmp_tx_head(conn)[3]));
  if (session) return USMP_OK;
  return conn->wire->on_lost ? conn->wire->on_lost(conn) : USMP_OK;
}
