#include "usmp.h"

#include "internal.h"

/* ---- time ---- */

usmp_err_t usmp_step(usmp_t *ctx)
{
  usmp_err_t err = usmp_enter(ctx);
  if (err != USMP_OK) return err;
  err = usmp_record_error(ctx, usmp_poll_once(ctx, 0));
  usmp_leave(ctx);
  return err;
}

usmp_err_t usmp_keepalive_tick(usmp_t *ctx)
{
  return usmp_step(ctx);
}

/* ---- sending ---- */

/* Datagrams: stays until the peer has everything, unless another thread takes the acknowledgements in. */
static void await_delivery(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->work->conn;

  if (ctx->transport.kind != USMP_KIND_DATAGRAM) return;
  while (!ctx->reading && !usmp_conn_drained(conn) && usmp_conn_error(conn) == 0) usmp_poll_once(ctx, USMP_LONGEST_WAIT_MS);
}

/* Lets some time pass while the transport has no room. This thread goes on taking in what comes, and notices an end. While
   another thread sends, that one sends this message as well. */
static void await_room(usmp_t *ctx)
{
  bool other_sends = ctx->sending;

  usmp_yield_to_others(ctx);
  if (!other_sends) {
    usmp_poll_once(ctx, 0);
    return;
  }
  usmp_port_wdt_feed();
  usmp_flush(ctx);
}

/* Until the transport has taken all that is queued, or the session has ended or given way to a new one. */
static void flush_all(usmp_t *ctx)
{
  const usmp_conn_t *conn = &ctx->work->conn;

  usmp_flush(ctx);
  while ((ctx->sending || usmp_has_unsent(ctx)) && usmp_conn_error(conn) == 0) await_room(ctx);
}

/* One of the engine's commands, tried again as the queue drains. */
static usmp_err_t command(usmp_t *ctx, int (*run)(usmp_conn_t *, const uint8_t *, size_t, uint32_t), const uint8_t *data,
                          size_t len)
{
  usmp_err_t entered = usmp_enter(ctx);
  if (entered != USMP_OK) return ctx && ctx->ended == entered ? USMP_ERR_NOT_CONNECTED : entered;
  usmp_conn_t *conn = &ctx->work->conn;
  int err = run(conn, data, len, usmp_port_millis());
  while (err == USMP_ERR_QUEUE_FULL && !usmp_conn_drained(conn) && usmp_conn_error(conn) == 0) {
    if (ctx->sending || usmp_has_unsent(ctx)) await_room(ctx);
    else usmp_poll_once(ctx, USMP_LONGEST_WAIT_MS);
    err = run(conn, data, len, usmp_port_millis());
  }
  if (run == usmp_conn_send) flush_all(ctx);
  else usmp_flush(ctx); /* what is no message leaves with the next call if there is no room now */
  if (err == USMP_OK) await_delivery(ctx);
  if (err == USMP_OK) err = usmp_conn_error(conn);
  usmp_sync_state(ctx);
  usmp_record_error(ctx, err);
  usmp_leave(ctx);
  return (usmp_err_t)err;
}

static int run_ping(usmp_conn_t *conn, const uint8_t *data, size_t len, uint32_t now)
{
  (void)data, (void)len;
  return usmp_conn_ping(conn, now);
}

static int run_rekey(usmp_conn_t *conn, const uint8_t *data, size_t len, uint32_t now)
{
  (void)data, (void)len;
  return usmp_conn_rekey(conn, now);
}

usmp_err_t usmp_send(usmp_t *ctx, const uint8_t *data, uint16_t len)
{
  return command(ctx, usmp_conn_send, data, len);
}

usmp_err_t usmp_ping(usmp_t *ctx)
{
  return command(ctx, run_ping, NULL, 0);
}

usmp_err_t usmp_rekey(usmp_t *ctx)
{
  return command(ctx, run_rekey, NULL, 0);
}

/* ---- receiving ---- */

/* As in the published component: what came was PING or PONG, and nothing is behind it. */
static bool only_control_came(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  return work->control_came && work->rx_chunk_at == work->rx_chunk_len && usmp_transport_available(&ctx->transport) <= 0;
}

static bool may_return_empty(usmp_t *ctx, uint32_t elapsed)
{
  if (ctx->recv_timeout_ms == USMP_RECV_FOREVER) return false;
  if (ctx->recv_timeout_ms > 0) return elapsed >= ctx->recv_timeout_ms;
  return elapsed >= USMP_RECV_DEFAULT_MS || only_control_came(ctx);
}

static int receive_locked(usmp_t *ctx, uint8_t *out, uint16_t max_len)
{
  uint32_t begin = usmp_port_millis();

  ctx->timed_out = ctx->woken = ctx->work->control_came = false;
  for (;;) {
    uint32_t elapsed = usmp_port_millis() - begin;
    uint32_t wait_ms = (ctx->recv_timeout_ms ? ctx->recv_timeout_ms : USMP_RECV_DEFAULT_MS) - elapsed;
    if (ctx->replaced) {
      ctx->replaced = false;
      return USMP_ERR_REPLACED;
    }
    if (usmp_has_message(ctx->work)) return usmp_take_message(ctx->work, out, max_len);
    int err = usmp_conn_error(&ctx->work->conn);
    if (err < 0) return err;
    ctx->woken = ctx->wake;
    ctx->timed_out = ctx->woken || may_return_empty(ctx, elapsed);
    ctx->wake = false;
    if (ctx->timed_out) return 0;
    usmp_poll_once(ctx, shorter(wait_ms, USMP_LONGEST_WAIT_MS));
  }
}

/* The lock of the receiving thread is awaited with the session in use, so that the locks stay, but without the other lock. */
static usmp_err_t enter_receiving(usmp_t *ctx)
{
  usmp_err_t err = usmp_enter(ctx);
  if (err != USMP_OK) return err;
  usmp_unlock(ctx);
  bool mine = usmp_lock_receivers(ctx);
  usmp_relock(ctx);
  if (mine) return USMP_OK;
  usmp_leave(ctx);
  return USMP_ERR_TOO_MANY_CONNECTIONS;
}

int usmp_recv(usmp_t *ctx, uint8_t *out, uint16_t max_len)
{
  if (!ctx || (!out && max_len)) return USMP_ERR_INVALID_ARGUMENT;
  usmp_err_t err = enter_receiving(ctx);
  if (err != USMP_OK) return err;
  int result = receive_locked(ctx, out, max_len);
  usmp_record_error(ctx, result);
  usmp_unlock_receivers(ctx);
  usmp_leave(ctx);
  return result;
}

usmp_err_t usmp_wake(usmp_t *ctx)
{
  usmp_err_t err = usmp_enter(ctx);
  if (err != USMP_OK) return err;
  ctx->wake = true;
  usmp_leave(ctx);
  return USMP_OK;
}

bool usmp_message_waits(usmp_t *ctx)
{
  if (usmp_enter(ctx) != USMP_OK) return false;
  bool waits = usmp_has_message(ctx->work);
  usmp_leave(ctx);
  return waits;
}

/* ---- closing ---- */

/* Until the transport has taken what is queued, or a close that began then has had its time. */
static void drain(usmp_t *ctx, uint32_t begin)
{
  usmp_flush(ctx);
  while (usmp_has_unsent(ctx) && usmp_port_millis() - begin < USMP_CLOSE_MS) {
    usmp_port_wdt_feed();
    usmp_yield_to_others(ctx);
    usmp_flush(ctx);
  }
}

static void close_session(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->work->conn;
  uint32_t begin = usmp_port_millis();

  drain(ctx, begin); /* a full queue has no room for the BYE */
  usmp_conn_close(conn, USMP_ERR_CLOSED, usmp_port_millis());
  drain(ctx, begin);
  while (usmp_conn_state(conn) == USMP_CONN_CLOSING) usmp_poll_once(ctx, USMP_LONGEST_WAIT_MS); /* the engine's own end */
}

void usmp_close(usmp_t *ctx)
{
  if (!ctx || !usmp_has_locks(ctx)) return;
  bool locked = usmp_lock(ctx);
  if (ctx->work && locked) close_session(ctx);
  usmp_close_transport(ctx);
  ctx->established = ctx->wake = ctx->replaced = false;
  ctx->state = USMP_STATE_IDLE;
  ctx->ended = USMP_OK;
  usmp_workspace_give_back(ctx);
  if (locked) usmp_unlock(ctx);
  usmp_workspace_destroy_locks(ctx);
}
