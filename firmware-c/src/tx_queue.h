/* The transmit queue of a connection: whole frames, as they leave (COBS included), in the caller's buffer.

     tx: [ acknowledgement, 16 bytes ][ … sent … | head … frames that wait … tail | free … cap ]

   It owns tx, tx_cap, tx_head, tx_tail and tx_prev_key_len of usmp_conn_t; nobody else writes them. A frame is written
   and sealed in place. A stream leaves from head on, in chunks. A datagram is the frame at the head alone; it stays there until
   it is acknowledged, and usmp_tx_pop removes it. */
#ifndef USMP_TX_QUEUE_H
#define USMP_TX_QUEUE_H

#include "connection_internal.h"

#define USMP_TX_ACK_ROOM 16 /* in front of the queue: the one acknowledgement that waits to leave */
#define USMP_TX_COBS_ROOM 4 /* a zero on both sides and two code bytes */

/* Empties the queue; nothing is under way then. Datagrams only. */
void usmp_tx_clear(usmp_conn_t *conn);

/* Queues a plain handshake frame whose payload is copied. 0, USMP_ERR_QUEUE_FULL or USMP_ERR_INVALID_ARGUMENT. On datagrams it
   takes the place of what is queued: the peer's answer to that has led to this frame. */
USMP_MUST_CHECK int usmp_tx_queue_plain(usmp_conn_t *conn, uint32_t type, uint32_t seq, const uint8_t *payload, size_t len);

/* Seals and queues one frame. 0; USMP_ERR_QUEUE_FULL, which changes nothing; any other error must end the connection. */
int usmp_tx_queue_sealed(usmp_conn_t *conn, uint32_t type, const uint8_t *text, size_t len);

/* Seals and queues a REKEY, behind which the new key is used. There must be room. 0, or as usmp_record_layer_start_rekey. */
int usmp_tx_queue_rekey(usmp_conn_t *conn, const uint8_t salt[USMP_REKEY_SALT_SIZE]);

/* Removes the frame at the head. Datagrams only. */
void usmp_tx_pop(usmp_conn_t *conn);

/* Begins with an empty queue in the caller's buffer. */
static inline void usmp_tx_init(usmp_conn_t *conn, const usmp_buffers_t *buffers)
{
  conn->tx = buffers->tx;
  conn->tx_cap = buffers->tx_len > UINT16_MAX ? UINT16_MAX : (uint16_t)buffers->tx_len;
  conn->tx_head = conn->tx_tail = USMP_TX_ACK_ROOM;
}

/* The transport of a stream has taken so many bytes from the head on. */
static inline void usmp_tx_taken(usmp_conn_t *conn, size_t len)
{
  size_t queued = (size_t)(conn->tx_tail - conn->tx_head);
  conn->tx_head = (uint16_t)(conn->tx_head + len);
  if (len >= queued) conn->tx_head = conn->tx_tail = USMP_TX_ACK_ROOM;
}

/* The transmit key has changed: what waits is from now on sealed under the key before it. Datagrams alone need to know. */
static inline void usmp_tx_key_changed(usmp_conn_t *conn)
{
  if (USMP_WITH_DATAGRAM) conn->tx_prev_key_len = (uint16_t)(conn->tx_tail - conn->tx_head);
}

/* Bytes that a frame with this payload takes in the queue at most. */
static inline size_t usmp_tx_room_for(const usmp_conn_t *conn, size_t payload_len)
{
  return USMP_HEADER_SIZE + payload_len + (usmp_conn_is_serial(conn) ? USMP_TX_COBS_ROOM : 0);
}

/* Bytes that are free. */
static inline size_t usmp_tx_room(const usmp_conn_t *conn)
{
  return (size_t)(conn->tx_cap - USMP_TX_ACK_ROOM) - (size_t)(conn->tx_tail - conn->tx_head);
}

/* Datagrams: the frame under way or next to go, null if the queue is empty. */
static inline const uint8_t *usmp_tx_head(const usmp_conn_t *conn)
{
  return conn->tx_head == conn->tx_tail ? NULL : conn->tx + conn->tx_head;
}

static inline size_t usmp_tx_frame_size(const uint8_t *frame)
{
  return USMP_HEADER_SIZE + (size_t)usmp_load16(frame + 8);
}

static inline bool usmp_tx_is_message(const uint8_t *frame)
{
  return frame[3] == USMP_TYPE_DATA || frame[3] == USMP_TYPE_DATA_FRAG;
}

#endif
