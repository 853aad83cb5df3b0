/* What a connection does besides where datagrams may be lost, repeated and reordered (specification, section 7): acknowledges
   what was accepted, repeats the one frame under way until it is acknowledged, knows repeats of the handshake.

   It owns arq, accepted and ack_len of usmp_conn_t. The timing of repeats is usmp/arq.h's. Called for datagrams
   only, except where a function says otherwise; a build without datagrams links none of it. */
#ifndef USMP_DATAGRAM_H
#define USMP_DATAGRAM_H

#include "tx_queue.h"

/* Lets the acknowledgement of a frame leave next. `key`: that of the frame; null for a handshake frame. */
void usmp_datagram_acknowledge(usmp_conn_t *conn, const usmp_frame_t *frame, const uint8_t *key);

/* A handshake frame was accepted: acknowledges it, and remembers it for usmp_datagram_is_accepted. Called on every kind of
   transport; on streams and serial lines nothing happens. */
void usmp_datagram_on_accepted(usmp_conn_t *conn, const usmp_frame_t *frame);
static inline void usmp_datagram_accept_handshake(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (USMP_WITH_DATAGRAM) usmp_datagram_on_accepted(conn, frame); /* a build without datagrams has no call */
}

/* True when this is, by its CRC, the handshake frame of its kind that was accepted last. */
bool usmp_datagram_is_accepted(usmp_conn_t *conn, const usmp_frame_t *frame);

/* A handshake frame came in a session: acknowledges it again if it repeats one that was accepted. 0, or
   USMP_ERR_UNEXPECTED_PACKET. */
int usmp_datagram_on_repeat(usmp_conn_t *conn, const usmp_frame_t *frame);

/* True while a REKEY of ours is under way: behind it nothing may be sent. */
bool usmp_datagram_rekey_unacknowledged(const usmp_conn_t *conn);

/* Takes an acknowledgement. 0, also for one that proves nothing; or an error that ends the connection. */
int usmp_datagram_on_utack(usmp_conn_t *conn, const uint8_t *datagram, size_t len);

/* An authenticated frame came: it tells that SESSION_OK, or a REKEY that it answers, has arrived. */
void usmp_datagram_acknowledge_implicitly(usmp_conn_t *conn);

/* The driver has taken the datagram of usmp_conn_poll_transmit. */
void usmp_datagram_transmitted(usmp_conn_t *conn);

/* Closing, and nothing is under way any more: a BYE is what leaves last. 0, or an error with the connection ended. */
int usmp_datagram_queue_bye(usmp_conn_t *conn);

/* The frame under way was not acknowledged in time. 0: it is sent again; or an error that ends the connection. */
int usmp_datagram_on_timeout(usmp_conn_t *conn);

/* Milliseconds until the frame under way is to be sent again; UINT32_MAX when none is, and on streams and serial lines. */
static inline uint32_t usmp_datagram_retransmit_left(const usmp_conn_t *conn, uint32_t now)
{
  return usmp_conn_is_datagram(conn) ? usmp_arq_wait(&conn->arq, now) : UINT32_MAX;
}

/* True for the types of frames that are not sealed. */
static inline bool usmp_is_handshake_type(uint32_t type)
{
  return type < USMP_TYPE_DATA || type == USMP_TYPE_HELLO_RETRY;
}

#endif
