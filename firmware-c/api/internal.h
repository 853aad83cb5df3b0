/* What the files of the application layer share. Each calls only those above it:

     workspace       the memory and mutexes of a session, and the engine's buffers in it
     receive_queue   messages and events that the engine has given out and the application has not taken yet
     locks           the two locks; where a call of the application begins and ends
     listener        what is known about the peers of a listener: keys and lockout
     next_handshake  server: the handshake that runs concurrently with a session, of a client that was restarted
     transport       bytes from the engine to the transport and back
     poll            one round: input, time, output
     connect         making ready, and the handshake of either role
     usmp, accept    the calls of usmp.h

   Rules: usmp_t and its workspace change only under the lock (usmp_lock). The lock is released only while the transport sends
   or receives and while this thread waits; after that ctx->work may be another one, because a new session took its place. One
   thread at a time sends (ctx->sending) and one receives (ctx->reading). */
#ifndef USMP_API_INTERNAL_H
#define USMP_API_INTERNAL_H

#include "usmp.h"

#define USMP_LONGEST_WAIT_MS 250u /* so that usmp_wake and a change of keepalive_ms are noticed */
#define USMP_PAUSE_MS 2u          /* between two looks at what another thread does, or whether the transport has room */

static inline uint32_t shorter(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* ---- workspace.c ---- */

/* The caller's scratch, or a place of the pool; null when there is none. Zeroed. */
usmp_workspace_t *usmp_workspace_take(usmp_t *ctx);
/* Wipes both workspaces of a session and gives them back. */
void usmp_workspace_give_back(usmp_t *ctx);
/* The mutexes for ctx->work: those of its place in the pool, or its own. 0 or USMP_ERR_TOO_MANY_CONNECTIONS. */
usmp_err_t usmp_workspace_locks(usmp_t *ctx);
void usmp_workspace_destroy_locks(usmp_t *ctx);
usmp_buffers_t usmp_buffers_of(usmp_workspace_t *work);
/* Starts the engine of a server in a workspace whose configuration is complete. Returns as usmp_conn_init_server. */
int usmp_workspace_start_server(usmp_workspace_t *work);

/* ---- receive_queue.c ---- */

bool usmp_has_message(const usmp_workspace_t *work);
/* Takes the engine's events until a message has to wait in the engine's buffer. */
void usmp_collect_events(usmp_t *ctx);
/* The length of the first message, which is copied out and dropped; or USMP_ERR_MESSAGE_TOO_LARGE: it waits for one more call,
   and is dropped then. There must be one. */
int usmp_take_message(usmp_workspace_t *work, uint8_t *out, uint16_t max_len);

/* ---- locks.c ---- */

/* False when the port cannot lock. */
bool usmp_lock(usmp_t *ctx);
void usmp_unlock(usmp_t *ctx);
/* After a wait outside the lock, which this thread has held before: it does not return without it. */
void usmp_relock(usmp_t *ctx);
/* The lock of the one thread that receives. It is awaited without the other lock. False when the port cannot lock. */
bool usmp_lock_receivers(usmp_t *ctx);
void usmp_unlock_receivers(usmp_t *ctx);
bool usmp_has_locks(const usmp_t *ctx);
/* Releases the lock for a moment, so that another thread goes on. */
void usmp_yield_to_others(usmp_t *ctx);
/* Begins a call of the application: 0 with the lock held and a workspace there, or an error and neither. */
usmp_err_t usmp_enter(usmp_t *ctx);
/* Ends it. A session that is over and has no message left gives its memory back here. */
void usmp_leave(usmp_t *ctx);

/* Every error that the application is told passes here. Returns it. */
static inline usmp_err_t usmp_record_error(usmp_t *ctx, int err)
{
  if (err < 0) ctx->last_err = (usmp_err_t)err;
  return (usmp_err_t)err;
}

/* ---- listener.c ---- */

usmp_lockout_t usmp_listener_lockout(usmp_listener_t *listener);
/* The device at the address of the handshake at hand. */
usmp_peer_id_t usmp_listener_peer(const usmp_listener_t *listener, const uint8_t device_id[USMP_DEVICE_ID_LEN]);
/* As find_psk of usmp_config_t, with a listener as context: the application's answer, unless the peer is locked out. */
int usmp_listener_find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found);
/* Counts how a handshake ended. A peer that had its say and failed counts: no timeout, no noise. */
void usmp_listener_count(usmp_lockout_t lockout, const usmp_peer_id_t *peer, int err);

/* ---- next_handshake.c: a server with a session over UDP or on a serial line ---- */

/* Lets a handshake run in ctx->next_handshake, which the caller has set, from the configuration of the session. */
void usmp_next_handshake_prepare(usmp_t *ctx);
/* Hands what came to it. What it has to say leaves at the end of the round. When it succeeds, it takes the session's place. */
void usmp_next_handshake_feed(usmp_t *ctx, const uint8_t *bytes, size_t len);
/* The same for time that has passed. */
void usmp_next_handshake_timeout(usmp_t *ctx);
/* True for a session on a serial line with such a handshake. */
bool usmp_next_handshake_on_serial(const usmp_t *ctx);
/* The session on a serial line has ended; the bytes behind `rest` came with its end, and are for the next usmp_accept. */
void usmp_next_handshake_save_remaining(usmp_t *ctx, const uint8_t *rest);

/* ---- transport.c ---- */

/* From here on the session's copy of the transport counts. The caller's struct has no descriptor any more, so that it closes
   nothing that is the session's, and its `available` is the session's. */
void usmp_adopt_transport(usmp_t *ctx, usmp_transport_t *transport);
bool usmp_transport_is_usable(const usmp_transport_t *transport);
void usmp_close_transport(usmp_t *ctx);
/* The transport's own `available`: 1 or 0. Less than zero: it has none. */
int usmp_transport_available(usmp_transport_t *transport);
/* Sends what the engine has to send, as far as the transport has room. */
void usmp_flush(usmp_t *ctx);
/* True while the transport has no room for what is to be sent. */
bool usmp_has_unsent(const usmp_t *ctx);
/* Waits up to wait_ms for bytes, which are left in rx_chunk. An end of the transport ends the connection. */
void usmp_read_transport(usmp_t *ctx, uint32_t wait_ms);

/* ---- poll.c ---- */

/* One round: sends, takes in what comes within wait_ms, looks at the clock, sends. 0, or why the session ended. */
int usmp_poll_once(usmp_t *ctx, uint32_t wait_ms);
/* What the application reads in usmp_t follows the engine. */
void usmp_sync_state(usmp_t *ctx);

/* ---- connect.c ---- */

/* Checks the transport and makes memory, mutexes and configuration ready; the engine is not yet started. Whatever it
   returns, the transport is the session's: usmp_fail_connect closes it. */
usmp_err_t usmp_prepare(usmp_t *ctx, usmp_transport_t *transport);
/* No session came about: closes the transport and keeps nothing but what usmp_reconnect needs. Returns `err`. */
usmp_err_t usmp_fail_connect(usmp_t *ctx, int err);
/* Runs the handshake to its end. 0, or less than zero with the transport closed. */
usmp_err_t usmp_finish_handshake(usmp_t *ctx);

#endif
