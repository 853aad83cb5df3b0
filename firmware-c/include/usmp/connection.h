/* The engine: one connection of either role, bytes in and bytes out.

   Who calls it: a driver, which has a transport and a clock. The application layer (api/) is one, usmp_serial_client of
   ports/bare is a smaller one. In this order:

     usmp_conn_init_client     or usmp_conn_init_server, once
     usmp_conn_receive         input: bytes that came
     usmp_conn_handle_timeout  input: the time that usmp_conn_poll_timeout named
     usmp_conn_send            and _ping, _rekey, _set_paused, _close: what the application wants
     usmp_conn_wipe            at the end

   After each input and command the driver drains the three polls in this order; that is its whole job:

     usmp_conn_poll_transmit   bytes that must leave now
     usmp_conn_poll_timeout    when usmp_conn_handle_timeout must be called next
     usmp_conn_poll_event      what the application must know

   Who owns what: the caller owns all memory, the clock (milliseconds, may wrap) and the random source. The connection owns what
   is in usmp_conn_t, and the bytes in the buffers while it lives. The configuration must not change meanwhile, but for its
   times.

   What holds always: a connection fails once. Its first error is kept, and every later call returns it. Only an authenticated frame
   moves a counter, a timer or a key of a session. No sequence number is used twice under a key.

   One thread at a time uses a connection. Different connections share nothing. */
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
#define USMP_TX_BUFFER_SIZE(frames) (16 + (frames)*USMP_MAX_PACKET_SIZE)

/* The caller's memory for one connection. It must stay where it is until usmp_conn_wipe. */
typedef struct usmp_buffers {
  uint8_t *frame;   /* USMP_FRAME_BUFFER_SIZE bytes; datagrams need none, and it may be null */
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

/* What usmp_conn_poll_event tells. The fields that a kind does not name mean nothing with it. */
typedef struct usmp_event {
  usmp_event_kind_t kind;
  int reason;
  const uint8_t *data; /* valid until the next call of usmp_conn_receive */
  size_t len;
  size_t offset; /* 0: a new message begins; parts of an unfinished one before are void */
  bool last;     /* the message ends with this part */
} usmp_event_t;

typedef struct usmp_conn usmp_conn_t;

/* Private: read through the functions below. Declared here so that the caller can place it. What is used
   most stands in front, where the short instructions of small processors reach it. In parentheses: the file of src/ that owns
   a field; once the session has begun, no other file writes it. The rest is the connection's own. */
struct usmp_conn {
  const usmp_config_t *config;
  const usmp_wire_protocol_t *wire; /* decides what differs between versions; never null */
  uint8_t *message;
  uint8_t *tx;           /* (tx_queue) */
  uint32_t datagram;     /* 1: datagrams */
  uint32_t state;        /* usmp_conn_state_t */
  uint32_t refilled_at;  /* (keepalive) up to when flood_budget and pongs are counted */
  uint32_t flood_budget; /* (keepalive) what the peer may spend (4.8), ms */
  uint32_t now;          /* as the caller said last */
  uint32_t received_at;  /* last authenticated frame; before: when the awaited step began */
  uint32_t sent_at;      /* when a frame was last queued */
  union {
    uint32_t pinged_at; /* (keepalive) our last PING */
    uint32_t closed_at; /* closing: when that began; nothing moves it */
  };
  uint32_t rekey_from; /* (established) the budget of our own rekeys (5.2) is the time since then */
  uint32_t ping_gaps;  /* (keepalive) ms between our last four PINGs, 10 bits each, newest lowest, 1000 at most */
  uint16_t tx_cap;     /* (tx_queue), as the next three */
  uint16_t tx_head;
  uint16_t tx_tail;
  uint16_t tx_prev_key_len; /* datagrams: bytes from the head on that are sealed under the key before the last rekey */
  uint16_t event_len;       /* (established) of the message that waits */
  uint16_t dropped;
  uint16_t accepted[2];                           /* (datagram) CRCs of the handshake frames taken, to know their repeats */
  uint16_t pong_times[USMP_MAX_PONGS_PER_SECOND]; /* (keepalive) of our last PONGs, newest first: the lower half of the clock */
  uint8_t events;                                 /* a bit for each kind that waits to be fetched */
  uint8_t ack_len : 4;                            /* (datagram) a UTACK that waits; 15 at most */
  bool serial : 1;
  bool ping_requested : 1;      /* (keepalive) */
  bool paused : 1;              /* (keepalive) the driver does not read */
  uint8_t pongs : 4;            /* (keepalive) how many of pong_times are of the last second */
  uint8_t pings_unanswered : 4; /* (keepalive) 8 at most */
  int8_t error;                 /* why it is closed */
  int8_t last_drop;             /* why a frame was dropped last */
  uint8_t hint;                 /* code of an ERROR frame; while closing: why */
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  usmp_fragment_t fragment; /* (established) */
  union {
    usmp_arq_t arq;           /* (datagram, and tx_queue when the frame under way leaves the queue) */
    usmp_deframer_t deframer; /* all others */
  };
  union { /* wiped before the next one begins */
    usmp_client_t client;
    usmp_server_t server;
    usmp_record_layer_t record_layer; /* from USMP_CONN_ESTABLISHED on */
  } u;
};

/* Both return 0, USMP_ERR_INVALID_ARGUMENT, USMP_ERR_WEAK_PSK, or a platform error (USMP_ERR_RANDOM_FAILED,
   USMP_ERR_CRYPTO_FAILED) with the connection closed. After 0 the HELLO of a client is ready to be transmitted. */
USMP_MUST_CHECK int usmp_conn_init_client(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers,
                                          uint32_t now);
USMP_MUST_CHECK int usmp_conn_init_server(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers,
                                          uint32_t now);

/* Takes bytes of a stream or serial line, or exactly one datagram. Returns how many bytes were taken: fewer than
   `len` when an event must be fetched first (call again with the rest), none at all for a datagram then.
   Less than zero: the connection has ended with that error; every later call returns it again. A datagram that is dropped
   counts as taken. */
USMP_MUST_CHECK int usmp_conn_receive(usmp_conn_t *conn, const uint8_t *bytes, size_t len, uint32_t now);

/* Seals a message of up to USMP_MAX_MESSAGE_LEN bytes and queues it whole. Returns 0; USMP_ERR_QUEUE_FULL,
   USMP_ERR_MESSAGE_TOO_LARGE or USMP_ERR_INVALID_ARGUMENT, which leave everything as it was; USMP_ERR_NOT_CONNECTED when there is no
   session; or an error that has ended it. */
USMP_MUST_CHECK int usmp_conn_send(usmp_conn_t *conn, const uint8_t *message, size_t len, uint32_t now);

/* Asks for a PING. At most 4 leave in any second, those of keepalive and rekey included. It leaves at once, or when that limit
   and the queue allow it (usmp_conn_poll_timeout tells when); all PINGs asked for until then become one. Returns as
   usmp_conn_send; a full queue is no error here. */
USMP_MUST_CHECK int usmp_conn_ping(usmp_conn_t *conn, uint32_t now);

/* Changes the keys of both directions. 16 in a burst, and one in 4 s in the long run; one that comes earlier, or while an
   earlier one is unconfirmed, is USMP_ERR_INVALID_ARGUMENT. Datagrams: only when nothing is queued (USMP_ERR_QUEUE_FULL), and
   nothing can be sent until the peer has acknowledged it. A peer of the published releases loses frames
   that cross it: rekey towards such a peer only when nothing is under way, or make a new connection instead. Returns as
   usmp_conn_send. */
USMP_MUST_CHECK int usmp_conn_rekey(usmp_conn_t *conn, uint32_t now);

/* Says whether the driver of an established connection reads. It does not while the application takes no messages. The peer must
   then still hear of this end, and its silence means nothing (specification 4.7, 4.9). So a PING leaves whenever nothing was sent
   for the keepalive time (20 s at most), at a server too. The idle time stands still, and starts again with `paused` false.
   Datagrams are still to be handed over: messages among them are dropped without an acknowledgement, so that the peer sends
   them again, and the message in the buffer stays as it is. */
void usmp_conn_set_paused(usmp_conn_t *conn, bool paused, uint32_t now);

/* Ends the connection; a session ends with a BYE, on streams and serial lines if the queue has room for it. `reason` is what the
   event will say: USMP_ERR_CLOSED, USMP_ERR_REPLACED, USMP_ERR_SHUTDOWN, USMP_ERR_TOO_MANY_CONNECTIONS or USMP_ERR_ABORTED, which also
   stands for any number that is no error of usmp/errors.h. Datagrams: what is queued is delivered before the BYE
   (USMP_CONN_CLOSING). That ends USMP_CLOSE_MS after this call at the latest, or USMP_SHORT_CLOSE_MS for REPLACED and SHUTDOWN,
   whatever the peer sends. If messages are left then, CLOSED becomes TRANSPORT_FAILED (specification 4.10). */
void usmp_conn_close(usmp_conn_t *conn, int reason, uint32_t now);

/* The transport has ended (`error` 0) or failed with an error. A client in its handshake takes that for a refusal, which often
   looks like a reset: USMP_ERR_HANDSHAKE_REFUSED. Else the connection ends with USMP_ERR_TRUNCATED for 0, with that error, or with
   USMP_ERR_TRANSPORT_FAILED for a number that is no error of usmp/errors.h. */
void usmp_conn_transport_ended(usmp_conn_t *conn, int error);

/* Bytes to hand to the transport: a chunk of the stream, or one whole datagram. They stay where they are
   until usmp_conn_transmitted tells how many the transport took. A datagram counts as sent whether it was or not, and is
   repeated in time. Returns 0 when there is nothing to send. */
size_t usmp_conn_poll_transmit(const usmp_conn_t *conn, const uint8_t **bytes);
void usmp_conn_transmitted(usmp_conn_t *conn, size_t len, uint32_t now);

/* Milliseconds until usmp_conn_handle_timeout must be called; UINT32_MAX: no deadline. */
uint32_t usmp_conn_poll_timeout(const usmp_conn_t *conn, uint32_t now);
/* Does what is due: repeats a frame, sends a PING, ends the connection. Calling it too early or too often does no harm. */
void usmp_conn_handle_timeout(usmp_conn_t *conn, uint32_t now);

/* True and an event, or false. To be called until it returns false. */
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
/* The code of an ERROR frame seen during the handshake, 0 if none. Anybody can send one: it is a hint for a person only. */
static inline uint8_t usmp_conn_hint(const usmp_conn_t *conn)
{
  return conn->hint;
}
/* 6 bytes: of a client its own, of a server the one that the HELLO named. */
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
