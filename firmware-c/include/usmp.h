/* Sessions for applications: the names that firmware already uses, over the engine in usmp/connection.h.

     usmp_t ctx = {0};
     usmp_transport_t transport = {0};
     ctx.psk = psk; ctx.psk_len = sizeof psk;
     usmp_transport_tcp_init(&transport, "192.168.1.10", USMP_DEFAULT_PORT);
     usmp_connect(&ctx, &transport);
     usmp_send(&ctx, data, len);

   Threads: different sessions share nothing but the pool below. On one session, any threads may call usmp_send,
   usmp_ping, usmp_rekey, usmp_keepalive_tick and usmp_wake while another waits in usmp_recv. None of them waits for it,
   and it does not wait for a usmp_send whose peer does not read. When two threads are in usmp_recv, one waits for the other.
   usmp_connect, usmp_reconnect and usmp_close must not run at the same time as any other call on the session; no lock sees to
   that, the application does.

   Memory: a session needs USMP_WORKSPACE_SIZE bytes. Put them into scratch and scratch_len, else they are
   taken from a static pool of USMP_POOL_SIZE sessions (connect from one thread at a time then). No heap. A server
   over UDP or on a serial line needs two for each session. A session that has ended gives them back as soon as its last
   message was read; usmp_close is still good style.

   What never happens: a message is handed over that was not authenticated; a key or a message is logged; a session that has
   ended comes back without usmp_reconnect, usmp_connect or usmp_accept. Exception: USMP_ERR_REPLACED, see usmp_recv. */
#ifndef USMP_H
#define USMP_H

#include <stdbool.h>

#include "usmp/connection.h"
#include "usmp/cookie.h"
#include "usmp_frame.h"
#include "usmp_port.h"
#include "usmp_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this library, not of the published component nor of the wire (USMP_WIRE_VERSION). */
#define USMP_VERSION_MAJOR 0
#define USMP_VERSION_MINOR 1
#define USMP_VERSION_PATCH 0
const char *usmp_get_version(void); /* the same as text */

#ifndef USMP_DEFAULT_PORT
#define USMP_DEFAULT_PORT 9000
#endif
/* For an application's own loops; not used here. */
#ifndef USMP_CONNECT_RETRIES
#define USMP_CONNECT_RETRIES 10
#endif
#ifndef USMP_CONNECT_RETRY_MS
#define USMP_CONNECT_RETRY_MS 2000
#endif

/* Names of the published component for the same errors. The numbers are those of usmp/errors.h. */
#define USMP_ERR_INVALID_ARG USMP_ERR_INVALID_ARGUMENT
#define USMP_ERR_TIMEOUT USMP_ERR_HANDSHAKE_TIMEOUT
#define USMP_ERR_REPLAY_DETECTED USMP_ERR_REPLAYED
#define USMP_ERR_BUFFER_OVERFLOW USMP_ERR_MESSAGE_TOO_LARGE
#define USMP_ERR_MUTEX_FAILED USMP_ERR_TOO_MANY_CONNECTIONS
#define USMP_ERR_PEER_CLOSED USMP_ERR_CLOSED
static inline const char *usmp_strerror(int err)
{
  return usmp_err_name(err);
}

#define USMP_SESSION_KEY_LEN USMP_KEY_SIZE
#define USMP_HANDSHAKE_SCRATCH_LEN 1024 /* too little here: such a scratch is not used, see USMP_WORKSPACE_SIZE */
typedef uint8_t usmp_cipher_suite_t;

typedef enum usmp_state {
  USMP_STATE_IDLE,
  USMP_STATE_CONNECTING_SOCKET, /* never here: transports connect before usmp_connect */
  USMP_STATE_AWAITING_CHALLENGE,
  USMP_STATE_CALCULATING_ECDH, /* never seen from outside */
  USMP_STATE_AWAITING_SESSION_OK,
  USMP_STATE_ESTABLISHED,
  USMP_STATE_ERROR
} usmp_state_t;

/* Frames of full size that may wait to leave; USMP_MAX_FRAMES take a message of any size. */
#ifndef USMP_TX_FRAMES
#define USMP_TX_FRAMES USMP_MAX_FRAMES
#endif
#ifndef USMP_POOL_SIZE
#define USMP_POOL_SIZE 1
#endif
#define USMP_RX_CHUNK_SIZE 512 /* bytes that are read from the transport at once; a datagram fits */
/* Bytes for messages that came while the application was sending (datagrams), 2 more for each. What does not fit is not
   acknowledged, so the peer sends it again. Other transports use the same bytes for what is being sent. */
#ifndef USMP_RECEIVE_QUEUE_SIZE
#define USMP_RECEIVE_QUEUE_SIZE 1024
#endif
#if USMP_RECEIVE_QUEUE_SIZE < 64
#error "USMP_RECEIVE_QUEUE_SIZE is at least 64"
#endif

/* All that a session works with: the engine, its buffers, and the bytes between engine, transport and application. Private. It is
   wiped when it is given back. */
typedef struct usmp_workspace {
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(USMP_TX_FRAMES)];
  uint8_t rx_chunk[USMP_RX_CHUNK_SIZE]; /* from the transport, not yet in the engine */
  union {
    uint8_t receive_queue[USMP_RECEIVE_QUEUE_SIZE]; /* datagrams: messages, not yet with the application */
    uint8_t tx_chunk[USMP_RECEIVE_QUEUE_SIZE];      /* all others: from the engine, not yet with the transport */
  };
  usmp_conn_t conn;
  usmp_config_t config;
  uint16_t rx_chunk_at;
  uint16_t rx_chunk_len;
  uint16_t receive_queue_len;
  uint16_t message_len;
  uint16_t tx_chunk_at; /* from here on the transport has not taken it */
  uint16_t tx_chunk_len;
  uint32_t tx_progress_at; /* when the transport last took something of it, or it was filled */
  bool message_waits;      /* one more message, in `message`, behind those of receive_queue */
  bool too_large;          /* the first message did not fit, and that was said once */
  bool control_came;       /* a PING or PONG, since usmp_recv was called */
} usmp_workspace_t;

#define USMP_WORKSPACE_SIZE sizeof(usmp_workspace_t)

/* For recv_timeout_ms. */
#define USMP_RECV_FOREVER UINT32_MAX
/* usmp_recv waits so long where recv_timeout_ms is 0, as in the published component, which has no such field. */
#define USMP_RECV_DEFAULT_MS 500u

/* A session, of either role. The application owns the struct, sets the first part and reads the second; the calls of usmp.h
   write the rest, under the session's lock.

   Calls in this order: usmp_connect, or usmp_listen and usmp_accept; then usmp_send, usmp_recv and the others, until one returns
   less than zero; then usmp_reconnect, or usmp_close. The struct must not move meanwhile.

   To be zeroed (`usmp_t ctx = {0}`). Where nothing but psk, psk_len and keepalive_ms was set, as firmware for the
   published component may have it, usmp_connect notices by the private part, and takes all other settings for zero. */
typedef struct usmp {
  /* To be set before usmp_connect. */
  const uint8_t *psk; /* stays the caller's, and valid as long as the session */
  size_t psk_len;
  /* Silence before a PING; 0: neither PING nor watchdog. May change at any time. The session ends with IDLE_TIMEOUT
     when nothing came for USMP_IDLE_MS, or for two keepalives and USMP_STEP_MS if that is longer. */
  uint32_t keepalive_ms;
  /* usmp_recv returns 0 after so long. 0: after USMP_RECV_DEFAULT_MS, and sooner when what came was only a PING or a
     PONG. USMP_RECV_FOREVER: it returns with a message or the end. May change at any time. */
  uint32_t recv_timeout_ms;
  uint8_t cipher_suite; /* USMP_CIPHER_...; 0: USMP_CIPHER_DEFAULT */
  bool allow_weak_psk;  /* takes a PSK that usmp_psk_check calls weak; never one under 16 bytes */
  bool drop_late;       /* UDP: no message that is older than the last one read; for commands (usmp/config.h) */
  void *scratch;        /* aligned as for any object, or null */
  size_t scratch_len;
  /* Client: the id that this session shows, USMP_DEVICE_ID_LEN bytes that stay the caller's until it is connected; null: that of
     usmp_port_get_device_id. */
  const uint8_t *own_device_id;

  /* To be read. */
  bool established;
  bool timed_out;      /* usmp_recv returned 0 because no message came, not for an empty message */
  bool woken;          /* ... because of usmp_wake */
  usmp_err_t last_err; /* the last error that a call on this session returned */
  usmp_state_t state;
  uint8_t device_id[USMP_DEVICE_ID_LEN]; /* client: its own; server: the peer's */
  uint8_t session_id[USMP_SESSION_ID_LEN];
  usmp_transport_t transport;

  /* Private. */
  usmp_workspace_t *work;
  usmp_workspace_t *next_handshake; /* server, not over TCP: where a client that was restarted makes a new handshake */
  struct usmp_listener_s *listener; /* server: where it came from */
  usmp_lockout_entry_t failures;    /* server over UDP: failures of next_handshake, for all device ids together */
#if USMP_THREADS
  usmp_mutex_t tx_mutex; /* the engine, and sending */
  usmp_mutex_t rx_mutex; /* waiting for input */
  bool own_mutexes;      /* not those of a place in the pool */
#endif
  usmp_err_t ended; /* why, when the memory was given back already */
  uint16_t users;   /* calls of the application that are under way */
  bool reading;     /* a thread is in the transport's recv, without the lock */
  bool sending;     /* one is in its send */
  bool open;        /* the transport is */
  bool broken;      /* it takes nothing more */
  bool replaced;
  bool wake;
  struct usmp *self; /* this struct, once it was made ready */
} usmp_t;

/* ---- client ---- */

/* Takes the transport over and waits for the handshake. Returns 0, or less than zero with the transport closed: among others
   USMP_ERR_INVALID_ARGUMENT (a transport that cannot be used, no device id), USMP_ERR_WEAK_PSK, USMP_ERR_TOO_MANY_CONNECTIONS (no
   workspace or mutex is free), USMP_ERR_HANDSHAKE_TIMEOUT, USMP_ERR_HANDSHAKE_REFUSED, USMP_ERR_AUTH_FAILED. */
usmp_err_t usmp_connect(usmp_t *ctx, usmp_transport_t *transport);
/* Dials again and makes a new session; nothing of the old one is taken over. Returns as usmp_connect; USMP_ERR_UNREACHABLE when
   the transport cannot dial; USMP_ERR_INVALID_ARGUMENT when it has no `reconnect`. */
usmp_err_t usmp_reconnect(usmp_t *ctx);
/* The same without waiting: after 0 call usmp_step until usmp_is_connected says yes or it returns an error. */
usmp_err_t usmp_connect_async(usmp_t *ctx, usmp_transport_t *transport);
usmp_err_t usmp_reconnect_async(usmp_t *ctx);

/* Takes what has come, sends what must leave, looks at the clock; never waits. Returns 0 or why the session ended. */
usmp_err_t usmp_step(usmp_t *ctx);

/* ---- both roles ---- */

/* Sends a message of up to 1808 bytes. Returns 0, USMP_ERR_MESSAGE_TOO_LARGE, or why the session ended. 0 means, on streams and serial
   lines: it was handed to the transport; on datagrams: it was acknowledged, unless another thread is in usmp_recv and sees to that.
   While the peer does not read, this call waits and goes on taking in what comes. It holds up no other call, and returns when the
   session ends. When the peer takes nothing for USMP_IDLE_MS, the session ends with TRANSPORT_FAILED. */
usmp_err_t usmp_send(usmp_t *ctx, const uint8_t *data, uint16_t len);
/* Returns the length of a message; 0 after recv_timeout_ms, or for an empty message (timed_out tells which); or less than zero: why the
   session ended. Two errors do not end it. After USMP_ERR_MESSAGE_TOO_LARGE the message waits for one more call with a larger buffer;
   if that is too small too, the same error says that the message was dropped. USMP_ERR_REPLACED (server over UDP or on a serial
   line) says that a new session has taken the place of the old one: go on with the next call. */
int usmp_recv(usmp_t *ctx, uint8_t *out, uint16_t max_len);
/* From another thread: the one in usmp_recv returns 0 within 250 ms, with `woken` and `timed_out` set; when none is there, the
   next call does. Returns 0, or why there is no session. */
usmp_err_t usmp_wake(usmp_t *ctx);
/* True when usmp_recv would return a message at once. */
bool usmp_message_waits(usmp_t *ctx);
/* Asks the peer for a sign of life; usmp_recv sees its answer. Streams and serial lines: does not wait for a peer that does not read.
   Returns 0, or why there is no session. */
usmp_err_t usmp_ping(usmp_t *ctx);
/* To be called now and then by programs that do not wait in usmp_recv. Less than zero: time for usmp_reconnect. */
usmp_err_t usmp_keepalive_tick(usmp_t *ctx);
/* Changes the keys of both directions. Returns 0; USMP_ERR_INVALID_ARGUMENT when it comes too early (usmp_conn_rekey); or why there is no
   session. */
usmp_err_t usmp_rekey(usmp_t *ctx);
/* Says BYE, closes the transport, wipes the keys, gives the memory back. What was sent before is delivered first. That takes
   USMP_CLOSE_MS at most, whether the peer reads or not. A second call does nothing. */
void usmp_close(usmp_t *ctx);

static inline bool usmp_is_connected(const usmp_t *ctx)
{
  return ctx && ctx->established;
}
static inline usmp_state_t usmp_get_state(const usmp_t *ctx)
{
  return ctx ? ctx->state : USMP_STATE_IDLE;
}

/* ---- server ---- */

typedef int (*usmp_find_psk_fn)(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found);

/* How many failing (address, device) pairs a listener remembers. */
#ifndef USMP_LOCKOUT_ENTRIES
#define USMP_LOCKOUT_ENTRIES 16
#endif

/* Where a server's sessions come from. A port's usmp_listener_..._init fills in the two functions, usmp_listen the rest; then
   usmp_accept is called again and again, by one thread. It owns the lockout of all its peers and the secret of its cookies, and must
   outlive its sessions. */
typedef struct usmp_listener_s {
  /* Waits up to wait_ms for a new peer. Returns 1 and its transport; 0: none yet, and it may be called again before the time is
     over; anything else: failed. A datagram listener lets only HELLOs with a good cookie through, and leaves that datagram in
     `first`. It returns 1 at once when something stands in `first` already: on a serial line a client may send the HELLO of its
     next session right behind its BYE. */
  int (*accept)(struct usmp_listener_s *listener, usmp_transport_t *peer, uint32_t wait_ms);
  void (*close)(struct usmp_listener_s *listener);
  usmp_find_psk_fn find_psk;
  void *context;
  usmp_cookie_issuer_t issuer;
  usmp_lockout_entry_t failures[USMP_LOCKOUT_ENTRIES];
  uint8_t peer_address[USMP_ADDRESS_MAX]; /* of the handshake at hand */
  uint8_t first[USMP_HEADER_SIZE + USMP_HELLO_COOKIE_SIZE];
  size_t first_len;
  int fd;
  int port;
} usmp_listener_t;

/* Makes an opened listener (usmp_listener_tcp_init and the like) ready; find_psk as in usmp_config_t. Over UDP a thread in
   usmp_recv calls it as well, when a client was restarted. */
usmp_err_t usmp_listen(usmp_listener_t *listener, usmp_find_psk_fn find_psk, void *context);
/* Waits for a peer (wait_ms, and no less) and for its handshake. ctx->cipher_suite is the suite for devices whose
   credential names none. Returns 0; USMP_ERR_NOT_CONNECTED when no peer came; else why the handshake failed. A device that fails
   five times at its address is locked out for a while (usmp/lockout.h). */
usmp_err_t usmp_accept(usmp_listener_t *listener, usmp_t *ctx, uint32_t wait_ms);

#ifdef __cplusplus
}
#endif
#endif
