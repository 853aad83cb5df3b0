/* What client and server have in common. */
#ifndef USMP_API_INTERNAL_H
#define USMP_API_INTERNAL_H

#include "usmp.h"

usmp_workspace_t *usmp_workspace_take(usmp_t *ctx);
void usmp_workspace_give_back(usmp_t *ctx);
/* The mutexes for ctx->work: those of its place in the pool, or its own. */
usmp_err_t usmp_workspace_locks(usmp_t *ctx);
void usmp_workspace_destroy_locks(usmp_t *ctx);

/* Checks the transport and makes memory, mutexes and configuration ready; the engine is not yet started. Whatever it
   returns, the transport is the session's: usmp_fail_connect closes it. */
usmp_err_t usmp_prepare(usmp_t *ctx, usmp_transport_t *transport);

/* No session came about: closes the transport and keeps nothing but what usmp_reconnect needs. Returns `err`. */
usmp_err_t usmp_fail_connect(usmp_t *ctx, int err);

/* Runs the handshake to its end. 0, or less than zero with the transport closed. */
usmp_err_t usmp_finish_handshake(usmp_t *ctx);

/* Starts the engine of a server in a workspace. */
int usmp_start_server(usmp_workspace_t *work);

/* Server with a session: hands what came to the handshake that may run beside it. What that has to say leaves with the
   end of the turn. */
void usmp_next_handshake_feed(usmp_t *ctx, const uint8_t *bytes, size_t len);
/* True for a session on a line beside which a restarted client's handshake may run. */
bool usmp_next_handshake_on_serial(const usmp_t *ctx);
/* The session on a line has ended; the bytes behind `rest` came with its end, and are for the next usmp_accept. */
void usmp_next_handshake_save_remaining(usmp_t *ctx, const uint8_t *rest);
/* The same as usmp_watch for time that has passed. */
void usmp_next_handshake_timeout(usmp_t *ctx);

usmp_buffers_t usmp_buffers_of(usmp_workspace_t *work);

#endif
