#include "internal.h"

#if USMP_THREADS
#include <errno.h>
#endif
#include <string.h>

#define ROOM_WAIT_MS 20u /* between two looks whether the transport has room, while input is awaited */

/* ---- sending ---- */

void usmp_close_transport(usmp_t *ctx)
{
  if (ctx->open && ctx->transport.close) ctx->transport.close(&ctx->transport);
  ctx->open = false;
}

/* A datagram goes out whole and at once. What did not leave is lost, and repeated in time. */
static void flush_datagrams(usmp_t *ctx, usmp_conn_t *conn)
{
  const uint8_t *bytes;
  size_t len;

  while (ctx->open && (len = usmp_conn_poll_transmit(conn, &bytes)) > 0) {
    ctx->transport.send(&ctx->transport, bytes, len);
    usmp_conn_transmitted(conn, len, usmp_port_millis());
  }
}

/* Moves what leaves next into tx_chunk, once that is empty. False when there is nothing. */
static bool fill_tx_chunk(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  usmp_conn_t *conns[2] = {&work->conn, ctx->next_handshake ? &ctx->next_handshake->conn : NULL};
  const uint8_t *bytes;

  if (work->tx_chunk_len > 0) return true;
  for (int i = 0; i < 2 && conns[i]; i++) {
    size_t len = usmp_conn_poll_transmit(conns[i], &bytes);
    if (len == 0) continue;
    if (len > sizeof work->tx_chunk) len = sizeof work->tx_chunk;
    memcpy(work->tx_chunk, bytes, len);
    work->tx_chunk_at = 0;
    work->tx_chunk_len = (uint16_t)len;
    work->tx_progress_at = usmp_port_millis();
    usmp_conn_transmitted(conns[i], len, work->tx_progress_at);
    return true;
  }
  return false;
}

/* The transport has taken so many bytes of tx_chunk. */
static void consume_tx_chunk(usmp_workspace_t *work, size_t len)
{
  work->tx_progress_at = usmp_port_millis();
  work->tx_chunk_at = (uint16_t)(work->tx_chunk_at + len);
  if (work->tx_chunk_at >= work->tx_chunk_len) work->tx_chunk_at = work->tx_chunk_len = 0;
}

/* One thread at a time sends, for all threads, and outside the lock: a peer that does not read must not hold up the others.
   What the transport has no room for stays in tx_chunk. */
static void flush_stream(usmp_t *ctx)
{
  while (ctx->open && !ctx->broken && !ctx->sending && fill_tx_chunk(ctx)) {
    usmp_workspace_t *work = ctx->work; /* a new session may take its place meanwhile */
    size_t len = (size_t)(work->tx_chunk_len - work->tx_chunk_at);
    ctx->sending = true;
    usmp_unlock(ctx);
    int sent = ctx->transport.send(&ctx->transport, work->tx_chunk + work->tx_chunk_at, len);
    usmp_relock(ctx);
    ctx->sending = false;
    if (sent == USMP_SEND_NO_ROOM && usmp_port_millis() - work->tx_progress_at < USMP_IDLE_MS) return;
    if (sent >= 0 && (size_t)sent <= len) {
      consume_tx_chunk(work, sent > 0 ? (size_t)sent : len);
    } else {
      ctx->broken = true;
      usmp_conn_transport_ended(&ctx->work->conn, USMP_ERR_TRANSPORT_FAILED);
    }
  }
}

bool usmp_has_unsent(const usmp_t *ctx)
{
  return ctx->open && !ctx->broken && ctx->work->tx_chunk_len > 0;
}

void usmp_flush(usmp_t *ctx)
{
  if (ctx->transport.kind != USMP_KIND_DATAGRAM) {
    flush_stream(ctx);
    return;
  }
  flush_datagrams(ctx, &ctx->work->conn);
  if (ctx->next_handshake) flush_datagrams(ctx, &ctx->next_handshake->conn);
}

/* ---- receiving ---- */

int usmp_transport_available(usmp_transport_t *transport)
{
  if (!transport->own_available) return -1;
  return transport->own_available(transport) > 0;
}

/* What the application calls as ctx.transport.available: a message may wait here, or bytes that came along with another
   one, while the transport itself is empty. */
static int session_available(usmp_transport_t *transport)
{
  usmp_t *ctx = transport->session;
  bool here = false;

  if (usmp_enter(ctx) == USMP_OK) {
    here = usmp_has_message(ctx->work) || ctx->work->rx_chunk_at < ctx->work->rx_chunk_len;
    usmp_leave(ctx);
  }
  return here ? 1 : usmp_transport_available(&ctx->transport);
}

#if USMP_THREADS

static void clear_errno(void)
{
  errno = 0;
}

/* What errno tells of a transport that returned -1: more than zero: nothing yet; less: the end; 0: it tells nothing. */
static int classify_errno(void)
{
  if (errno == 0) return 0;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 1 : -1;
}

#else /* without an operating system errno may be a thread's variable where there are no threads */

static void clear_errno(void) {}

static int classify_errno(void)
{
  return 0;
}

#endif

/* -1 is also what transports for the published component return when their own time was up. */
static bool is_timeout(usmp_transport_t *transport, int result)
{
  if (result != -1) return false;
  int told = classify_errno();
  return told > 0 || (told == 0 && usmp_transport_available(transport) == 0);
}

/* As the transport's recv, but 0 for its timeouts, which take some time even if it returned at once. */
static int receive_bytes(usmp_transport_t *transport, uint8_t *out, size_t max_len)
{
  clear_errno();
  int len = transport->recv(transport, out, max_len);
  if (!is_timeout(transport, len)) return len;
  if (transport->wait_ms > 0) usmp_port_delay_ms(USMP_PAUSE_MS);
  return 0;
}

void usmp_read_transport(usmp_t *ctx, uint32_t wait_ms)
{
  usmp_workspace_t *work = ctx->work;
  usmp_transport_t *transport = &ctx->transport;

  if (wait_ms == 0 && usmp_transport_available(transport) == 0) return;
  transport->wait_ms = shorter(wait_ms, usmp_conn_poll_timeout(&work->conn, usmp_port_millis()));
  if (ctx->next_handshake) {
    transport->wait_ms = shorter(transport->wait_ms, usmp_conn_poll_timeout(&ctx->next_handshake->conn, usmp_port_millis()));
  }
  if (usmp_has_unsent(ctx)) transport->wait_ms = shorter(transport->wait_ms, ROOM_WAIT_MS);
  ctx->reading = true;
  usmp_unlock(ctx);
  int len = receive_bytes(transport, work->rx_chunk, sizeof work->rx_chunk);
  usmp_relock(ctx);
  ctx->reading = false;
  if (len > (int)sizeof work->rx_chunk) {
    usmp_conn_transport_ended(&work->conn, USMP_ERR_TRANSPORT_FAILED);
  } else if (len < 0) { /* datagrams have no end that could come too early */
    usmp_conn_transport_ended(&work->conn, transport->kind == USMP_KIND_DATAGRAM ? USMP_ERR_TRANSPORT_FAILED : 0);
  } else {
    work->rx_chunk_at = 0;
    work->rx_chunk_len = (uint16_t)len;
    if (ctx->next_handshake && len > 0 && transport->kind == USMP_KIND_DATAGRAM)
      usmp_next_handshake_feed(ctx, work->rx_chunk, (size_t)len);
  }
}

/* ---- a transport becomes the session's ---- */

void usmp_adopt_transport(usmp_t *ctx, usmp_transport_t *transport)
{
  usmp_transport_t *own = &ctx->transport;

  if (transport != own) {
    bool same = own->fd == transport->fd && own->ctx == transport->ctx;
    if (!same) usmp_close_transport(ctx); /* of a session that was not closed */
    *own = *transport;
  }
  if (own->available != session_available) own->own_available = own->available;
  if (own->available) own->available = session_available;
  own->session = ctx;
  if (transport == own) return;
  *transport = *own;
  transport->fd = -1;
}

bool usmp_transport_is_usable(const usmp_transport_t *transport)
{
  bool known = transport->kind >= USMP_KIND_STREAM && transport->kind <= USMP_KIND_SERIAL;

  if (!transport->send || !transport->recv || !known) return false;
  if (!transport->confirm_authenticated) return true;
  USMP_LOGE("usmp", "this transport acknowledges datagrams itself: it must only carry them, and set kind");
  return false;
}
