#include "tx_queue.h"

#include <string.h>

#include "usmp/cobs.h"

#define COBS_LEAD 3 /* the frame stands so far behind, that it can be encoded in place */

void usmp_tx_clear(usmp_conn_t *conn)
{
  conn->tx_head = conn->tx_tail = USMP_TX_ACK_ROOM;
  conn->tx_prev_key_len = 0;
  conn->arq.sends = 0;
  conn->arq.resend = false;
}

/* Where the next frame is to be written, or null when the queue is full. */
static uint8_t *reserve(usmp_conn_t *conn, size_t payload_len)
{
  size_t room = usmp_tx_room_for(conn, payload_len);

  if (room > usmp_tx_room(conn)) return NULL;
  if (conn->tx_tail + room > conn->tx_cap) {
    size_t used = (size_t)(conn->tx_tail - conn->tx_head);
    memmove(conn->tx + USMP_TX_ACK_ROOM, conn->tx + conn->tx_head, used);
    conn->tx_head = USMP_TX_ACK_ROOM;
    conn->tx_tail = (uint16_t)(USMP_TX_ACK_ROOM + used);
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

int usmp_tx_queue_plain(usmp_conn_t *conn, uint32_t type, uint32_t seq, const uint8_t *payload, size_t len)
{
  if (usmp_conn_is_datagram(conn)) usmp_tx_clear(conn);
  uint8_t *frame = reserve(conn, len);
  if (!frame) return USMP_ERR_QUEUE_FULL;
  memcpy(frame + USMP_HEADER_SIZE, payload, len);
  int frame_len = usmp_frame_encode(conn->wire->version, frame, type, seq, len);
  if (frame_len < 0) return frame_len;
  commit(conn, (size_t)frame_len);
  return USMP_OK;
}

int usmp_tx_queue_sealed(usmp_conn_t *conn, uint32_t type, const uint8_t *text, size_t len)
{
  uint8_t *frame = reserve(conn, len + conn->wire->overhead);
  if (!frame) return USMP_ERR_QUEUE_FULL;
  if (len) memcpy(frame + conn->wire->plaintext_offset, text, len);
  int frame_len = conn->wire->seal(&conn->u.record_layer, conn->config->crypto, type, frame, len);
  if (frame_len < 0) {
    usmp_wipe(frame, conn->wire->plaintext_offset + len);
    return frame_len;
  }
  commit(conn, (size_t)frame_len);
  return USMP_OK;
}

int usmp_tx_queue_rekey(usmp_conn_t *conn, const uint8_t salt[USMP_REKEY_SALT_SIZE])
{
  uint8_t *frame = reserve(conn, conn->wire->overhead + USMP_REKEY_SALT_SIZE);
  if (!frame) return USMP_ERR_QUEUE_FULL;
  int len = conn->wire->start_rekey(&conn->u.record_layer, conn->config->crypto, salt, frame);
  if (len < 0) return len;
  commit(conn, (size_t)len);
  usmp_tx_key_changed(conn);
  return USMP_OK;
}

void usmp_tx_pop(usmp_conn_t *conn)
{
  size_t len = usmp_tx_frame_size(conn->tx + conn->tx_head);

  conn->tx_head = (uint16_t)(conn->tx_head + len);
  conn->tx_prev_key_len = conn->tx_prev_key_len > len ? (uint16_t)(conn->tx_prev_key_len - len) : 0;
  conn->arq.sends = 0;
  conn->arq.resend = false;
}
