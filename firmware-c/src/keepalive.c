#include "keepalive.h"

#include <string.h>

#include "tx_queue.h"

#define PING_TIMEOUT 5000u /* datagrams: the answer to a PING is taken for lost */
#define GAP_BITS 10        /* a gap between two PINGs: 0 to 1000 ms */
#define GAP_MASK ((1u << GAP_BITS) - 1)

/* ---- what the peer may cost ---- */

/* While this end does not read, the peer's frames pile up without its fault, so the time counts in full. */
static void refill(usmp_conn_t *conn)
{
  uint32_t elapsed = conn->now - conn->refilled_at;
  uint32_t full = conn->paused ? UINT32_MAX / 2 : USMP_FLOOD_BUDGET_MS;

  conn->refilled_at = conn->now;
  if (elapsed > INT32_MAX) return; /* a clock that ran back */
  if (conn->flood_budget < full) conn->flood_budget += shorter(elapsed, full - conn->flood_budget);
  if (elapsed >= USMP_SECOND) conn->pongs = 0; /* all were older than refilled_at */
}

bool usmp_keepalive_spend(usmp_conn_t *conn, uint32_t cost)
{
  refill(conn);
  if (conn->flood_budget < cost) return false;
  conn->flood_budget -= cost;
  return true;
}

/* ---- PINGs and PONGs of the peer ---- */

/* False when eight have left within a second. */
static bool may_pong(usmp_conn_t *conn)
{
  while (conn->pongs > 0 && (uint16_t)(conn->now - conn->pong_times[conn->pongs - 1]) >= USMP_SECOND) conn->pongs--;
  return conn->pongs < USMP_MAX_PONGS_PER_SECOND;
}

static int pong(usmp_conn_t *conn)
{
  if (!may_pong(conn)) return USMP_OK;
  int err = usmp_tx_queue_sealed(conn, USMP_TYPE_PONG, NULL, 0);
  if (err == USMP_ERR_QUEUE_FULL) return USMP_OK; /* what fills the queue is a sign of life as well */
  if (err != USMP_OK) return err;
  memmove(conn->pong_times + 1, conn->pong_times, sizeof conn->pong_times - sizeof conn->pong_times[0]);
  conn->pong_times[0] = (uint16_t)conn->now;
  conn->pongs++;
  return USMP_OK;
}

int usmp_keepalive_receive(usmp_conn_t *conn, uint32_t type)
{
  if (type == USMP_TYPE_PONG && conn->pings_unanswered > 0) conn->pings_unanswered--; /* an answer */
  else if (!usmp_keepalive_spend(conn, USMP_FLOOD_COST_CONTROL_MS)) return USMP_ERR_FLOOD;
  if (type == USMP_TYPE_PING) return pong(conn);
  conn->events |= USMP_PENDING(USMP_EVENT_PONG);
  return USMP_OK;
}

/* ---- our PINGs ---- */

/* Until one more PING may leave: at most four in any second, those behind a REKEY and those of keepalive included. The last
   four are known by the time of the newest and the three gaps before it, so that the rule is exact and takes four bytes. */
static uint32_t ping_allowed_left(const usmp_conn_t *conn, uint32_t now)
{
  uint32_t gaps = conn->ping_gaps;
  uint32_t span = (gaps & GAP_MASK) + (gaps >> GAP_BITS & GAP_MASK) + (gaps >> 2 * GAP_BITS & GAP_MASK);
  return span >= USMP_SECOND ? 0 : time_left(conn->pinged_at, USMP_SECOND - span, now);
}

/* Until a PING is due: one that is wanted, or keepalive's: the client's, and that of either side that does not read. While
   the queue is full none is. */
uint32_t usmp_keepalive_ping_left(const usmp_conn_t *conn, uint32_t now)
{
  uint32_t keepalive = ms_or_default(conn->config->keepalive_ms, USMP_KEEPALIVE_MS);

  if (conn->state != USMP_CONN_ESTABLISHED || usmp_tx_room_for(conn, conn->wire->overhead) > usmp_tx_room(conn))
    return UINT32_MAX;
  uint32_t allowed = ping_allowed_left(conn, now);
  if (conn->ping_requested) return allowed;
  bool paused = conn->paused;
  if (!conn->u.record_layer.client && !paused) return UINT32_MAX;
  if (paused) keepalive = shorter(keepalive, USMP_KEEPALIVE_MS);
  uint32_t due = time_left(conn->sent_at, keepalive, now);
  if (!paused)
    due = shorter(due, longer(time_left(conn->received_at, keepalive, now), time_left(conn->pinged_at, keepalive, now)));
  return longer(due, allowed);
}

int usmp_keepalive_ping(usmp_conn_t *conn)
{
  int err = usmp_tx_queue_sealed(conn, USMP_TYPE_PING, NULL, 0);
  if (err != USMP_OK) return err;
  uint32_t since = conn->now - conn->pinged_at;
  conn->ping_gaps = conn->ping_gaps << GAP_BITS | shorter(since, USMP_SECOND);
  conn->pinged_at = conn->now;
  if (usmp_conn_is_datagram(conn) && since >= PING_TIMEOUT) conn->pings_unanswered = 0;
  if (conn->pings_unanswered < USMP_MAX_PINGS_OPEN) conn->pings_unanswered++;
  conn->ping_requested = false;
  return USMP_OK;
}

/* At once if it may, else when usmp_conn_handle_timeout finds that it may. */
int usmp_keepalive_request_ping(usmp_conn_t *conn)
{
  conn->ping_requested = true;
  return usmp_keepalive_ping_left(conn, conn->now) == 0 ? usmp_keepalive_ping(conn) : USMP_OK;
}

void usmp_conn_set_paused(usmp_conn_t *conn, bool paused, uint32_t now)
{
  conn->now = conn->received_at = now;
  refill(conn); /* the time until now by the rule that held until now */
  conn->paused = paused;
}
