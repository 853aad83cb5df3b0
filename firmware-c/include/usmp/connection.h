/* The engine: one connection of either role, bytes in and bytes out.

   The caller owns all memory, the clock (milliseconds, may wrap) and the random source. After any input
   the caller drains the three polls in this order; that is a driver's whole job:

     usmp_conn_poll_transmit   bytes that must leave now
     usmp_conn_poll_timeout    when usmp_conn_handle_timeout must be called next
     usmp_conn_poll_event      what the application must know

   A connection is used by one thread at a time. Different connections share nothing. */
#ifndef USMP_CONNECTION_H
#define USMP_CONNECTION_H

#include "usmp/arq.h"
#include "usmp/deframer.h"
#include "usmp/errors.h"
#include "usmp/fragment.h"
#include "usmp/handshake.h"
#include "usmp/record_layer.h"
#include "usmp/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_FRAME_BUFFER_SIZE USMP_MAX_COBS_SIZE
#define USMP_MESSAGE_BUFFER_SIZE USMP_MAX_MESSAGE_LEN
#define USMP_FRAGMENT_BUFFER_SIZE USMP_MAX_DATA_LEN
/* Room for so many frames of full size, and for one acknowledgement. A message is queued whole or not at
   all; with room for one frame, messages over 452 bytes are refused with QUEUE_FULL. */
#define USMP_TX_BUFFER_SIZE(frames) (16 + (frames) * USMP_MAX_PACKET_SIZE)

typedef struct usmp_buffers {
  uint8_t *frame;   /* USMP_FRAME_BUFFER_SIZE bytes; datagrams need none */
  uint8_t *message; /* USMP_MESSAGE_BUFFER_SIZE bytes, or USMP_FRAGMENT_BUFFER_SIZE with stream_fragments */
  uint8_t *tx;
  size_t frame_len;
  size_t message_len;
  size_t tx_len; /* at least USMP_TX_BUFFER_SIZE(1) */
} usmp_buffers_t;

typedef enum usmp_conn_state {
  USMP_CONN_CLOSED,           /* so is a connection of zeros */
  USMP_CONN_AWAIT_HELLO,      /* server */
  USMP_CONN_AWAIT_CHALLENGE,  /* client */
  USMP_CONN_AWAIT_HELLO_ACK,  /* server */
  USMP_CONN_AWAIT_SESSION_OK, /* client */
  USMP_CONN_ESTABLISHED,
  USMP_CONN_CLOSING /* datagrams: what is queued is still being delivered, until the end of usmp_conn_close */
} usmp_conn_state_t;

typedef enum usmp_event_kind {
  USMP_EVENT_NONE,
  USMP_EVENT_CONNECTED,
  USMP_EVENT_PONG,
  USMP_EVENT_MESSAGE, /* data, len; with stream_fragments a part of one: offset and last say which */
  USMP_EVENT_CLOSED   /* reason: USMP_ERR_CLOSED after a BYE, else what went wrong */
} usmp_event_kind_t;

/* The fields that a kind does not name mean nothing with it. */
typedef struct usmp_event {
  usmp_event_kind_t kind;
  int reason;
  const uint8_t *data; /* valid until the next call of usmp_conn_receive */
  size_t len;
  size_t offset; /* 0: a new message begins; whatever of the one before had come is void */
  bool last;
} usmp_event_t;

typedef struct usmp_conn usmp_conn_t;

/* Private: read through the functions below. Declared here so that the caller can place it. What is used
   most stands in front, where the short instructions of small processors reach it. */
struct usmp_conn {
  const usmp_config_t *config;
  const usmp_wire_protocol_t *wire;
  uint8_t *message;
  uint8_t *tx;
  uint32_t datagram; /* 1: datagrams */
  uint32_t state;
  uint32_t refilled_at;  /* established: up to when flood_budget and pongs are reckoned */
  uint32_t flood_budget; /* established: what the peer may spend (4.8), ms */
  uint32_t now;      /* as the caller said last */
  uint32_t received_at; /* last authenticated frame; before: when the awaited step began */
  uint32_t sent_at;
  union {
    uint32_t pinged_at; /* established: our last PING */
    uint32_t closed_at; /* closing: when that began; nothing moves it */
  };
  uint32_t rekey_from; /* established: our own rekeys (5.2) have had the time since then for their budget */
  uint32_t ping_gaps; /* ms between our last four PINGs, 10 bits each, newest lowest, 1000 at most */
  uint16_t tx_cap;
  uint16_t tx_head;
  uint16_t tx_tail;
  uint16_t tx_prev_key_len; /* datagrams: bytes from the head on that are sealed under the key before the last rekey */
  uint16_t event_len;
  uint16_t dropped;
  uint16_t accepted[2]; /* datagrams: CRCs of the handshake frames taken, to know their repeats */
  uint16_t pong_times[USMP_MAX_PONGS_PER_SECOND]; /* of our last PONGs, newest first: the lower half of the clock */
  uint8_t events;
  uint8_t ack_len : 4; /* a UTACK that waits; 15 at most */
  bool serial : 1;
  bool ping_requested : 1;
  bool paused : 1; /* the driver does not read */
  uint8_t pongs : 4;      /* how many of pong_times are of the last second */
  uint8_t pings_unanswered : 4; /* no PONG has answered yet; 8 at most */
  int8_t error;
  int8_t last_drop;
  uint8_t hint; /* code of an ERROR frame; while closing: why */
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  usmp_fragment_t fragment;
  union {
    usmp_arq_t arq;           /* datagrams */
    usmp_deframer_t deframer; /* all others */
  };
  union {
    usmp_client_t client;
    usmp_server_t server;
    usmp_record_layer_t record_layer;
  } u;
};

/* Both return 0, USMP_ERR_INVALID_ARGUMENT, USMP_ERR_WEAK_PSK, or a platform error. A client's HELLO is
   ready to be transmitted. */
USMP_MUST_CHECK int usmp_conn_init_client(usmp_conn_t *conn, const usmp_config_t *config,
                                          const usmp_buffers_t *buffers, uint32_t now);
USMP_MUST_CHECK int usmp_conn_init_server(usmp_conn_t *conn, const usmp_config_t *config,
                                          const usmp_buffers_t *buffers, uint32_t now);

/* Takes bytes of a stream or line, or exactly one datagram. Returns how many bytes were taken: fewer than
   `len` when an event must be fetched first (call again with the rest), none at all for a datagram then.
   Less than zero: the connection has ended with that error; every later call returns it again. */
USMP_MUST_CHECK int usmp_conn_receive(usmp_conn_t *conn, const uint8_t *bytes, size_t len, uint32_t now);

/* Seals a message and queues it whole. USMP_ERR_QUEUE_FULL leaves everything as it was. */
USMP_MUST_CHECK int usmp_conn_send(usmp_conn_t *conn, const uint8_t *message, size_t len, uint32_t now);

/* Asks for a PING. At most 4 leave in any second, those of keepalive and rekey included: it leaves at once, or when that
   and the queue allow it (usmp_conn_poll_timeout tells); those asked for until then are one. */
USMP_MUST_CHECK int usmp_conn_ping(usmp_conn_t *conn, uint32_t now);

/* Changes the keys of both directions. 16 in a burst, and one in 4 s in the long run; one that comes earlier, or while an
   earlier one is unconfirmed, is USMP_ERR_INVALID_ARGUMENT. Datagrams: only when nothing is queued (USMP_ERR_QUEUE_FULL), and
   nothing can be sent until the peer has acknowledged it. A peer of the published releases loses frames
   that cross it: rekey towards such a peer only when nothing is under way, or connect anew instead. */
USMP_MUST_CHECK int usmp_conn_rekey(usmp_conn_t *conn, uint32_t now);

/* Of an established connection: says whether the driver reads. While it does not, because the application takes no messages, the peer must go on hearing
   of this end and this end must not judge the peer's silence (specification 4.7, 4.9): a PING leaves whenever nothing was
   sent for the keepalive time (20 s at most), at a server too, and the idle time stands still; it starts again with `paused`
   false. Datagrams go on to be handed over: of a paused connection's, messages are dropped without an acknowledgement, so that
   the peer sends them again, and the message in the buffer stays as it is. */
void usmp_conn_set_paused(usmp_conn_t *conn, bool paused, uint32_t now);

/* Ends the connection; in a session with a BYE, on streams and lines if the queue has room for it. `reason` is what the event will say:
   USMP_ERR_CLOSED, USMP_ERR_REPLACED, USMP_ERR_SHUTDOWN, USMP_ERR_TOO_MANY_CONNECTIONS or USMP_ERR_ABORTED, which stands for any number
   that is no error of usmp/errors.h too. Datagrams: what is queued is delivered before the BYE (USMP_CONN_CLOSING). All of it has one
   end, USMP_CLOSE_MS from this call, or USMP_SHORT_CLOSE_MS for REPLACED and SHUTDOWN, and nothing that the peer sends moves it.
   If messages are left then, CLOSED becomes TRANSPORT_FAILED (specification 4.10). */
void usmp_conn_close(usmp_conn_t *conn, int reason, uint32_t now);

/* The transport has ended, or failed with an error: a client in its handshake was refused (a reset is what a refusal
   often looks like); else TRUNCATED (for 0), that error, or USMP_ERR_TRANSPORT_FAILED for a number that is none. */
void usmp_conn_transport_ended(usmp_conn_t *conn, int error);

/* Bytes to hand to the transport: a piece of the stream, or one whole datagram. They stay where they are
   until usmp_conn_transmitted tells how many the transport took (datagrams: sent or not, they are counted
   as sent and repeated in time). Returns 0 when there is nothing to send. */
size_t usmp_conn_poll_transmit(const usmp_conn_t *conn, const uint8_t **bytes);
void usmp_conn_transmitted(usmp_conn_t *conn, size_t len, uint32_t now);

/* Milliseconds until usmp_conn_handle_timeout must be called; UINT32_MAX: no deadline. */
uint32_t usmp_conn_poll_timeout(const usmp_conn_t *conn, uint32_t now);
void usmp_conn_handle_timeout(usmp_conn_t *conn, uint32_t now);

/* True and an event, or false. */
bool usmp_conn_poll_event(usmp_conn_t *conn, usmp_event_t *event);

/* Overwrites everything secret; the connection is closed if it was not. */
void usmp_conn_wipe(usmp_conn_t *conn);

static inline usmp_conn_state_t usmp_conn_state(const usmp_conn_t *conn)
{
  return (usmp_conn_state_t)conn->state;
}
static inline bool usmp_conn_established(const usmp_conn_t *conn)
{
  return conn->state == USMP_CONN_ESTABLISHED;
}
/* Why the connection ended; 0 while it has not. */
static inline int usmp_conn_error(const usmp_conn_t *conn)
{
  return conn->error;
}
/* How many frames, packets or datagrams were dropped, and why the last one was. */
static inline uint16_t usmp_conn_dropped(const usmp_conn_t *conn)
{
  return conn->dropped;
}
static inline int usmp_conn_last_drop(const usmp_conn_t *conn)
{
  return conn->last_drop;
}
/* The code of an ERROR frame seen during the handshake, 0 if none. Anybody can send one: a hint for a person. */
static inline uint8_t usmp_conn_hint(const usmp_conn_t *conn)
{
  return conn->hint;
}
static inline const uint8_t *usmp_conn_device_id(const usmp_conn_t *conn)
{
  return conn->device_id;
}
/* 16 bytes; null when there is no session. */
static inline const uint8_t *usmp_conn_session_id(const usmp_conn_t *conn)
{
  return conn->state == USMP_CONN_ESTABLISHED || conn->state == USMP_CONN_CLOSING ? conn->u.record_layer.id : NULL;
}
/* True when everything queued was transmitted and, for datagrams, acknowledged. */
static inline bool usmp_conn_drained(const usmp_conn_t *conn)
{
  return conn->tx_head == conn->tx_tail;
}

#ifdef __cplusplus
}
#endif
#endif
