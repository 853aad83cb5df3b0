/* What a session says to show that it lives, and what its peer may cost it (specification, sections 4.7 and 4.8): PINGs and PONGs
   within their limits, the flood budget.

   It owns all fields about PING, PONG, pausing and the budget in usmp_conn_t. usmp_keepalive_begin comes first,
   when the session does. It never ends the connection: it says what is due, or that the budget does not suffice. */
#ifndef USMP_KEEPALIVE_H
#define USMP_KEEPALIVE_H

#include "connection_internal.h"
#include "timing.h"

/* Begins with a full budget, and with all PINGs allowed. */
static inline void usmp_keepalive_begin(usmp_conn_t *conn)
{
  conn->received_at = conn->sent_at = conn->refilled_at = conn->now;
  conn->flood_budget = USMP_FLOOD_BUDGET_MS;
  conn->pinged_at = conn->now - USMP_SECOND; /* as if four had left then */
  conn->ping_gaps = 0;
  conn->pings_unanswered = 0;
  conn->pongs = 0;
}

/* Takes the cost (ms) of a frame of the peer. False: the budget does not cover it, and the peer floods. */
bool usmp_keepalive_spend(usmp_conn_t *conn, uint32_t cost);

/* Takes a PING or PONG of the peer. A PING is answered, unless eight PONGs have left within a second or the queue is full.
   0, or an error that ends the session: USMP_ERR_FLOOD when the budget does not cover it. */
int usmp_keepalive_receive(usmp_conn_t *conn, uint32_t type);

/* Milliseconds until usmp_keepalive_ping is due; UINT32_MAX: it is not. */
uint32_t usmp_keepalive_ping_left(const usmp_conn_t *conn, uint32_t now);

/* Sends a PING. 0, USMP_ERR_QUEUE_FULL, or an error that ends the session. */
int usmp_keepalive_ping(usmp_conn_t *conn);

/* Sends a PING at once if it may leave, else when usmp_conn_handle_timeout finds that it may. Returns as usmp_keepalive_ping. */
int usmp_keepalive_request_ping(usmp_conn_t *conn);

#endif
