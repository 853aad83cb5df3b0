#include <string.h>

#include "internal.h"

#define LATE_READS 32 /* before a timer is taken for real */

static usmp_state_t state_of(const usmp_conn_t *conn)
{
  switch (usmp_conn_state(conn)) {
    case USMP_CONN_AWAIT_HELLO:
    case USMP_CONN_AWAIT_CHALLENGE: return USMP_STATE_AWAITING_CHALLENGE;
    case USMP_CONN_AWAIT_HELLO_ACK:
    case USMP_CONN_AWAIT_SESSION_OK: return USMP_STATE_AWAITING_SESSION_OK;
    case USMP_CONN_ESTABLISHED: return USMP_STATE_ESTABLISHED;
    default: return USMP_STATE_ERROR;
  }
}

void usmp_sync_state(usmp_t *ctx)
{
  const usmp_conn_t *conn = &ctx->work->conn;

  ctx->state = state_of(conn);
  ctx->established = ctx->state == USMP_STATE_ESTABLISHED;
  if (ctx->established) {
    memcpy(ctx->session_id, usmp_conn_session_id(conn), USMP_SESSION_ID_LEN);
    memcpy(ctx->device_id, usmp_conn_device_id(conn), USMP_DEVICE_ID_LEN);
  }
  if (usmp_conn_state(conn) == USMP_CONN_CLOSED && !ctx->reading && !ctx->sending) usmp_close_transport(ctx);
}

/* A serial line is taken a packet at a time: one may end the session, and the bytes behind it are the next session's. */
static size_t next_chunk(const usmp_t *ctx)
{
  const usmp_workspace_t *work = ctx->work;
  const uint8_t *bytes = work->rx_chunk + work->rx_chunk_at;
  size_t len = (size_t)(work->rx_chunk_len - work->rx_chunk_at);
  const uint8_t *zero = usmp_next_handshake_on_serial(ctx) ? memchr(bytes, 0, len) : NULL;

  return zero ? (size_t)(zero - bytes) + 1 : len;
}

/* How many frames were sealed: when it grows while input is taken, a PING was answered. */
static uint32_t frames_sealed(const usmp_conn_t *conn)
{
  return usmp_conn_established(conn) ? conn->u.record_layer.tx_next : 0;
}

static void process_input(usmp_t *ctx)
{
  bool datagram = ctx->transport.kind == USMP_KIND_DATAGRAM;
  usmp_workspace_t *work;

  while (work = ctx->work, work->rx_chunk_at < work->rx_chunk_len && (!work->message_waits || datagram)) {
    const uint8_t *bytes = work->rx_chunk + work->rx_chunk_at;
    size_t len = next_chunk(ctx);
    uint32_t before = frames_sealed(&work->conn);
    int used = usmp_conn_receive(&work->conn, bytes, len, usmp_port_millis());
    if (frames_sealed(&work->conn) > before) work->control_came = true;
    usmp_collect_events(ctx);
    if (used < 0) {
      if (usmp_next_handshake_on_serial(ctx)) usmp_next_handshake_save_remaining(ctx, bytes + len);
      return;
    }
    work->rx_chunk_at = (uint16_t)(work->rx_chunk_at + used);
    if (usmp_next_handshake_on_serial(ctx)) usmp_next_handshake_feed(ctx, bytes, (size_t)used);
    /* The beginning of a session is told first, even when its end came along with it. */
    if (!ctx->established && usmp_conn_established(&ctx->work->conn)) return;
  }
}

static void take_input(usmp_t *ctx, uint32_t wait_ms)
{
  bool was_unread = ctx->work->rx_chunk_at < ctx->work->rx_chunk_len;

  process_input(ctx);
  /* What that brought may be what the caller waits for, and its answer has not left yet. */
  if (!ctx->open || was_unread) return;
  if (!ctx->reading) {
    usmp_read_transport(ctx, wait_ms);
    process_input(ctx);
  } else if (wait_ms > 0) { /* another thread reads, and processes what comes */
    usmp_yield_to_others(ctx);
  }
}

/* One PING or PONG may be lost before silence means the end. */
static uint32_t idle_for_keepalive(uint32_t keepalive_ms)
{
  if (keepalive_ms > (UINT32_MAX - USMP_STEP_MS) / 2) return UINT32_MAX;
  uint32_t two = 2 * keepalive_ms + USMP_STEP_MS;
  return two > USMP_IDLE_MS ? two : USMP_IDLE_MS;
}

static void apply_settings(usmp_t *ctx)
{
  usmp_config_t *config = &ctx->work->config;

  config->keepalive_ms = ctx->keepalive_ms ? ctx->keepalive_ms : UINT32_MAX;
  config->idle_ms = ctx->keepalive_ms ? idle_for_keepalive(ctx->keepalive_ms) : UINT32_MAX;
}

/* A timer that is due says that time has passed, not that nothing came: what waits in the transport is read first. The number of
   reads is bounded, so that endless junk cannot put a timeout off. */
static void read_before_timeout(usmp_t *ctx)
{
  for (int i = 0; i < LATE_READS && ctx->open && !ctx->reading && !ctx->work->message_waits; i++) {
    bool due = usmp_conn_poll_timeout(&ctx->work->conn, usmp_port_millis()) == 0;
    if (!due || usmp_transport_available(&ctx->transport) <= 0) return;
    take_input(ctx, 0);
  }
}

int usmp_poll_once(usmp_t *ctx, uint32_t wait_ms)
{
  usmp_conn_t *conn = &ctx->work->conn;

  usmp_port_wdt_feed();
  apply_settings(ctx);
  usmp_flush(ctx);
  if (usmp_conn_error(conn) == 0) {
    take_input(ctx, wait_ms);
    apply_settings(ctx);
    read_before_timeout(ctx);
    conn = &ctx->work->conn; /* a new session may have taken its place */
    usmp_conn_handle_timeout(conn, usmp_port_millis());
    if (ctx->next_handshake) usmp_next_handshake_timeout(ctx);
    usmp_flush(ctx);
  }
  usmp_collect_events(ctx);
  usmp_sync_state(ctx);
  return usmp_conn_error(conn);
}
