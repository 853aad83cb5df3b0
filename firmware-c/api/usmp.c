#include "usmp.h"

#if USMP_THREADS
#include <errno.h>
#endif
#include <string.h>

#include "internal.h"
#include "usmp/callbacks.h"

static const char tag[] = "usmp";

#define LONGEST_WAIT_MS 250u /* so that usmp_wake and a change of keepalive_ms are noticed */
#define LATE_READS 32
#define PAUSE_MS 2u           /* between two looks at what another thread does, or whether the transport has room */
#define ROOM_WAIT_MS 20u      /* the same while input is awaited */

/* ---- locks ---- */

/* False when the port cannot lock. */
static bool lock(usmp_t *ctx)
{
#if USMP_THREADS
  return usmp_callback_result(usmp_port_mutex_lock(ctx->tx_mutex), USMP_ERR_TOO_MANY_CONNECTIONS) == USMP_OK;
#else
  (void)ctx;
  return true;
#endif
}

static void unlock(usmp_t *ctx)
{
#if USMP_THREADS
  usmp_port_mutex_unlock(ctx->tx_mutex);
#else
  (void)ctx;
#endif
}

/* After a wait outside the lock, which this thread has held before: there is no way on without it. */
static void relock(usmp_t *ctx)
{
  while (!lock(ctx)) usmp_port_delay_ms(PAUSE_MS);
}

static bool lock_receivers(usmp_t *ctx)
{
#if USMP_THREADS
  return usmp_callback_result(usmp_port_mutex_lock(ctx->rx_mutex), USMP_ERR_TOO_MANY_CONNECTIONS) == USMP_OK;
#else
  (void)ctx;
  return true;
#endif
}

static void unlock_receivers(usmp_t *ctx)
{
#if USMP_THREADS
  usmp_port_mutex_unlock(ctx->rx_mutex);
#else
  (void)ctx;
#endif
}

static bool has_locks(const usmp_t *ctx)
{
#if USMP_THREADS
  return ctx->tx_mutex != NULL;
#else
  (void)ctx;
  return true;
#endif
}

/* Lets another thread go on that reads or sends. */
static void yield_to_others(usmp_t *ctx)
{
  unlock(ctx);
  usmp_port_delay_ms(PAUSE_MS);
  relock(ctx);
}

/* Begins a call of the application: 0 with the lock held and a workspace there, or an error and neither. */
static usmp_err_t enter(usmp_t *ctx)
{
  if (!ctx) return USMP_ERR_INVALID_ARGUMENT;
  if (!has_locks(ctx)) return USMP_ERR_NOT_CONNECTED;
  if (!lock(ctx)) return USMP_ERR_TOO_MANY_CONNECTIONS;
  if (ctx->work) {
    ctx->users++;
    return USMP_OK;
  }
  usmp_err_t ended = ctx->ended;
  unlock(ctx);
  return ended == USMP_OK ? USMP_ERR_NOT_CONNECTED : ended;
}

static bool has_message(const usmp_workspace_t *work)
{
  return work->receive_queue_len > 0 || work->message_waits;
}

/* Ends it. A session that is over and has no message left needs no memory, whether or not usmp_close is ever called. */
static void leave(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;

  ctx->users--;
  if (ctx->users == 0 && usmp_conn_state(&work->conn) == USMP_CONN_CLOSED && !has_message(work) && !ctx->replaced) {
    ctx->ended = (usmp_err_t)usmp_conn_error(&work->conn);
    usmp_workspace_give_back(ctx);
  }
  unlock(ctx);
}

/* ---- one turn: input, time, output; the lock is held, and released only while the transport receives or sends ---- */

static void close_transport(usmp_t *ctx)
{
  if (ctx->open && ctx->transport.close) ctx->transport.close(&ctx->transport);
  ctx->open = false;
}

/* Every error that the application is told passes here. */
static usmp_err_t record(usmp_t *ctx, int err)
{
  if (err < 0) ctx->last_err = (usmp_err_t)err;
  return (usmp_err_t)err;
}

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

/* What the application reads in the struct follows the engine. */
static void sync_state(usmp_t *ctx)
{
  const usmp_conn_t *conn = &ctx->work->conn;

  ctx->state = state_of(conn);
  ctx->established = ctx->state == USMP_STATE_ESTABLISHED;
  if (ctx->established) {
    memcpy(ctx->session_id, usmp_conn_session_id(conn), USMP_SESSION_ID_LEN);
    memcpy(ctx->device_id, usmp_conn_device_id(conn), USMP_DEVICE_ID_LEN);
  }
  if (usmp_conn_state(conn) == USMP_CONN_CLOSED && !ctx->reading && !ctx->sending) close_transport(ctx);
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

/* Moves what leaves next into the outbox, once that is empty. False when there is nothing. */
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

/* Takes what a transport took out of the outbox. */
static void consume_tx_chunk(usmp_workspace_t *work, size_t len)
{
  work->tx_progress_at = usmp_port_millis();
  work->tx_chunk_at = (uint16_t)(work->tx_chunk_at + len);
  if (work->tx_chunk_at >= work->tx_chunk_len) work->tx_chunk_at = work->tx_chunk_len = 0;
}

/* One thread at a time sends, for all of them, and outside the lock: a peer that does not read must hold up nobody else. What
   the transport has no room for stays in the outbox. */
static void flush_stream(usmp_t *ctx)
{
  while (ctx->open && !ctx->broken && !ctx->sending && fill_tx_chunk(ctx)) {
    usmp_workspace_t *work = ctx->work; /* a new session may take its place meanwhile */
    size_t len = (size_t)(work->tx_chunk_len - work->tx_chunk_at);
    ctx->sending = true;
    unlock(ctx);
    int sent = ctx->transport.send(&ctx->transport, work->tx_chunk + work->tx_chunk_at, len);
    relock(ctx);
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

/* True while the transport has no room for what is in the outbox. */
static bool has_unsent(const usmp_t *ctx)
{
  return ctx->open && !ctx->broken && ctx->work->tx_chunk_len > 0;
}

static void flush(usmp_t *ctx)
{
  if (ctx->transport.kind != USMP_KIND_DATAGRAM) {
    flush_stream(ctx);
    return;
  }
  flush_datagrams(ctx, &ctx->work->conn);
  if (ctx->next_handshake) flush_datagrams(ctx, &ctx->next_handshake->conn);
}

/* Two peers that send at once must go on taking each other's messages in, or both would wait for ever. */
static bool push_receive_queue(usmp_workspace_t *work, const uint8_t *data, size_t len)
{
  uint8_t *place = work->receive_queue + work->receive_queue_len;

  if (work->config.kind != USMP_KIND_DATAGRAM) return false;
  if (len + 2 > sizeof work->receive_queue - work->receive_queue_len) return false;
  usmp_store16(place, (uint16_t)len);
  memcpy(place + 2, data, len);
  work->receive_queue_len = (uint16_t)(work->receive_queue_len + len + 2);
  return true;
}

/* While a message waits nothing behind it is read: silence says nothing about the peer then, and the peer must hear of us. */
static void set_message_waits(usmp_workspace_t *work, bool waits)
{
  work->message_waits = waits;
  usmp_conn_set_paused(&work->conn, waits, usmp_port_millis());
}

static void collect_events(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  usmp_event_t event;

  while (!work->message_waits && usmp_conn_poll_event(&work->conn, &event)) {
    if (event.kind == USMP_EVENT_MESSAGE && !push_receive_queue(work, event.data, event.len)) {
      work->message_len = (uint16_t)event.len;
      set_message_waits(work, true);
    }
    if (event.kind == USMP_EVENT_PONG) work->control_came = true;
    if (event.kind == USMP_EVENT_CLOSED) {
      usmp_log(event.reason == USMP_ERR_CLOSED ? 'I' : 'W', tag, usmp_err_name(event.reason));
    }
  }
}

/* A line is taken a packet at a time: one may end the session, and what stands behind it is the next one's. */
static size_t next_chunk(const usmp_t *ctx)
{
  const usmp_workspace_t *work = ctx->work;
  const uint8_t *bytes = work->rx_chunk + work->rx_chunk_at;
  size_t len = (size_t)(work->rx_chunk_len - work->rx_chunk_at);
  const uint8_t *zero = usmp_next_handshake_on_serial(ctx) ? memchr(bytes, 0, len) : NULL;

  return zero ? (size_t)(zero - bytes) + 1 : len;
}

/* How many frames were sealed: a received PING is answered at once. */
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
    collect_events(ctx);
    if (used < 0) {
      if (usmp_next_handshake_on_serial(ctx)) usmp_next_handshake_save_remaining(ctx, bytes + len);
      return;
    }
    work->rx_chunk_at = (uint16_t)(work->rx_chunk_at + used);
    if (usmp_next_handshake_on_serial(ctx)) usmp_next_handshake_feed(ctx, bytes, (size_t)used);
    /* Even if its end came along with it: that a session began is told first. */
    if (!ctx->established && usmp_conn_established(&ctx->work->conn)) return;
  }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* The transport's own `available`. Less than zero: it has none. */
static int transport_available(usmp_transport_t *transport)
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

  if (enter(ctx) == USMP_OK) {
    here = has_message(ctx->work) || ctx->work->rx_chunk_at < ctx->work->rx_chunk_len;
    leave(ctx);
  }
  return here ? 1 : transport_available(&ctx->transport);
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
  return told > 0 || (told == 0 && transport_available(transport) == 0);
}

/* As the transport's recv, but 0 for its timeouts, and never at once again and again. */
static int receive_bytes(usmp_transport_t *transport, uint8_t *out, size_t max_len)
{
  clear_errno();
  int len = transport->recv(transport, out, max_len);
  if (!is_timeout(transport, len)) return len;
  if (transport->wait_ms > 0) usmp_port_delay_ms(PAUSE_MS);
  return 0;
}

static void read_transport(usmp_t *ctx, uint32_t wait_ms)
{
  usmp_workspace_t *work = ctx->work;
  usmp_transport_t *transport = &ctx->transport;

  if (wait_ms == 0 && transport_available(transport) == 0) return;
  transport->wait_ms = smaller(wait_ms, usmp_conn_poll_timeout(&work->conn, usmp_port_millis()));
  if (ctx->next_handshake) {
    transport->wait_ms = smaller(transport->wait_ms, usmp_conn_poll_timeout(&ctx->next_handshake->conn, usmp_port_millis()));
  }
  if (has_unsent(ctx)) transport->wait_ms = smaller(transport->wait_ms, ROOM_WAIT_MS);
  ctx->reading = true;
  unlock(ctx);
  int len = receive_bytes(transport, work->rx_chunk, sizeof work->rx_chunk);
  relock(ctx);
  ctx->reading = false;
  if (len > (int)sizeof work->rx_chunk) {
    usmp_conn_transport_ended(&work->conn, USMP_ERR_TRANSPORT_FAILED);
  } else if (len < 0) {
    usmp_conn_transport_ended(&work->conn, 0);
  } else {
    work->rx_chunk_at = 0;
    work->rx_chunk_len = (uint16_t)len;
    if (ctx->next_handshake && len > 0 && transport->kind == USMP_KIND_DATAGRAM) usmp_next_handshake_feed(ctx, work->rx_chunk, (size_t)len);
  }
}

static void take_input(usmp_t *ctx, uint32_t wait_ms)
{
  bool was_unread = ctx->work->rx_chunk_at < ctx->work->rx_chunk_len;

  process_input(ctx);
  /* What that brought may be what the caller waits for, and its answer has not left yet. */
  if (!ctx->open || was_unread) return;
  if (!ctx->reading) {
    read_transport(ctx, wait_ms);
    process_input(ctx);
  } else if (wait_ms > 0) { /* another thread reads, and feeds what comes */
    yield_to_others(ctx);
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

/* A timer that is due says that time has passed, and not that nothing came: what waits in the transport is read before it is
   judged. Only so much of it, so that junk without end puts nothing off. */
static void read_before_timeout(usmp_t *ctx)
{
  for (int i = 0; i < LATE_READS && ctx->open && !ctx->reading && !ctx->work->message_waits; i++) {
    bool due = usmp_conn_poll_timeout(&ctx->work->conn, usmp_port_millis()) == 0;
    if (!due || transport_available(&ctx->transport) <= 0) return;
    take_input(ctx, 0);
  }
}

static int poll_once(usmp_t *ctx, uint32_t wait_ms)
{
  usmp_conn_t *conn = &ctx->work->conn;

  usmp_port_wdt_feed();
  apply_settings(ctx);
  flush(ctx);
  if (usmp_conn_error(conn) == 0) {
    take_input(ctx, wait_ms);
    apply_settings(ctx);
    read_before_timeout(ctx);
    conn = &ctx->work->conn; /* a new session may have taken its place */
    usmp_conn_handle_timeout(conn, usmp_port_millis());
    if (ctx->next_handshake) usmp_next_handshake_timeout(ctx);
    flush(ctx);
  }
  collect_events(ctx);
  sync_state(ctx);
  return usmp_conn_error(conn);
}

/* ---- connect ---- */

/* Whether this struct was zeroed and never used. Only the private part tells: all before it the application may have
   written. */
static bool is_zeroed(const usmp_t *ctx)
{
#if USMP_THREADS
  if (ctx->tx_mutex || ctx->rx_mutex) return false;
#endif
  return !ctx->work && !ctx->next_handshake && !ctx->listener && !ctx->self && ctx->ended == USMP_OK && ctx->users == 0 &&
         ctx->failures.failures == 0 && ctx->failures.failed_at == 0 &&
         usmp_is_zero((const uint8_t *)&ctx->failures.peer, sizeof ctx->failures.peer);
}

/* All but the transport, which is the application's if it hands over the one in the struct. */
static void clear_around_transport(usmp_t *ctx)
{
  const size_t behind = offsetof(usmp_t, transport) + sizeof ctx->transport;

  memset(ctx, 0, offsetof(usmp_t, transport));
  memset((uint8_t *)ctx + behind, 0, sizeof *ctx - behind);
}

/* Programs for the published component may set no more than three fields, of a struct that nobody zeroed. */
static void reset_unknown(usmp_t *ctx, const usmp_transport_t *transport)
{
  const uint8_t *psk = ctx->psk;
  size_t psk_len = ctx->psk_len;
  uint32_t keepalive_ms = ctx->keepalive_ms;

  if (ctx->self == ctx) return;
  if (!is_zeroed(ctx)) {
    clear_around_transport(ctx);
    if (transport != &ctx->transport) memset(&ctx->transport, 0, sizeof ctx->transport);
    ctx->psk = psk;
    ctx->psk_len = psk_len;
    ctx->keepalive_ms = keepalive_ms;
  }
  ctx->self = ctx;
}

/* From here on the session's copy of the transport counts. The caller's struct has no descriptor any more, so that it
   closes nothing that is the session's, and its `available` is the session's. */
static void adopt_transport(usmp_t *ctx, usmp_transport_t *transport)
{
  usmp_transport_t *own = &ctx->transport;

  if (transport != own) {
    bool same = own->fd == transport->fd && own->ctx == transport->ctx;
    if (!same) close_transport(ctx); /* of a session that was not closed */
    *own = *transport;
  }
  if (own->available != session_available) own->own_available = own->available;
  if (own->available) own->available = session_available;
  own->session = ctx;
  if (transport == own) return;
  *transport = *own;
  transport->fd = -1;
}

static bool is_usable(const usmp_transport_t *transport)
{
  bool known = transport->kind >= USMP_KIND_STREAM && transport->kind <= USMP_KIND_SERIAL;

  if (!transport->send || !transport->recv || !known) return false;
  if (!transport->confirm_authenticated) return true;
  USMP_LOGE(tag, "this transport acknowledges datagrams itself: it must only carry them, and set kind");
  return false;
}

usmp_err_t usmp_prepare(usmp_t *ctx, usmp_transport_t *transport)
{
  const usmp_crypto_t *crypto = usmp_port_crypto();

  reset_unknown(ctx, transport);
  adopt_transport(ctx, transport);
  ctx->open = true;
  ctx->broken = ctx->replaced = ctx->wake = ctx->established = false;
  ctx->ended = USMP_OK;
  if (!is_usable(&ctx->transport)) return USMP_ERR_INVALID_ARGUMENT;
  if (!crypto) return USMP_ERR_CRYPTO_FAILED;
  if (!ctx->work) ctx->work = usmp_workspace_take(ctx);
  if (!ctx->work) return USMP_ERR_TOO_MANY_CONNECTIONS;
  usmp_err_t err = usmp_workspace_locks(ctx);
  if (err != USMP_OK) return err;
  usmp_workspace_t *work = ctx->work;
  work->rx_chunk_at = work->rx_chunk_len = work->receive_queue_len = work->tx_chunk_at = work->tx_chunk_len = 0;
  work->message_waits = work->too_large = false;
  memset(&work->config, 0, sizeof work->config);
  work->config.crypto = crypto;
  work->config.suite = ctx->cipher_suite;
  work->config.kind = (uint8_t)ctx->transport.kind;
  work->config.allow_weak_psk = ctx->allow_weak_psk;
  work->config.drop_late = ctx->drop_late;
  return USMP_OK;
}

static int port_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

int usmp_start_server(usmp_workspace_t *work)
{
  usmp_buffers_t buffers = usmp_buffers_of(work);
  work->config.random = port_random;
  return usmp_conn_init_server(&work->conn, &work->config, &buffers, usmp_port_millis());
}

static int start_client(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  usmp_buffers_t buffers = usmp_buffers_of(work);

  work->config.random = port_random;
  work->config.psk = ctx->psk;
  work->config.psk_len = ctx->psk_len;
  int named = usmp_port_get_device_id(work->config.device_id, USMP_DEVICE_ID_LEN);
  usmp_err_t err = (usmp_err_t)usmp_callback_result(named, USMP_ERR_INVALID_ARGUMENT);
  if (err != USMP_OK) return err;
  return usmp_conn_init_client(&work->conn, &work->config, &buffers, usmp_port_millis());
}

usmp_err_t usmp_fail_connect(usmp_t *ctx, int err)
{
  close_transport(ctx);
  ctx->established = false;
  ctx->state = USMP_STATE_ERROR;
  usmp_workspace_give_back(ctx);
  usmp_workspace_destroy_locks(ctx);
  return record(ctx, err);
}

usmp_err_t usmp_connect_async(usmp_t *ctx, usmp_transport_t *transport)
{
  if (!ctx || !transport) return USMP_ERR_INVALID_ARGUMENT;
  int err = usmp_prepare(ctx, transport);
  if (err == USMP_OK) err = start_client(ctx);
  if (err == USMP_OK && !lock(ctx)) err = USMP_ERR_TOO_MANY_CONNECTIONS;
  if (err != USMP_OK) return usmp_fail_connect(ctx, err);
  flush(ctx);
  sync_state(ctx);
  unlock(ctx);
  return USMP_OK;
}

usmp_err_t usmp_finish_handshake(usmp_t *ctx)
{
  uint32_t begin = usmp_port_millis();
  int err = USMP_OK;

  if (!lock(ctx)) return usmp_fail_connect(ctx, USMP_ERR_TOO_MANY_CONNECTIONS);
  while (err == USMP_OK && !ctx->established) {
    err = poll_once(ctx, LONGEST_WAIT_MS);
    /* What came on a line may have been noise: its engine would wait for a HELLO without end. */
    uint32_t now = usmp_port_millis();
    const usmp_conn_t *conn = &ctx->work->conn;
    bool silent = usmp_conn_state(conn) == USMP_CONN_AWAIT_HELLO && usmp_conn_poll_timeout(conn, now) == UINT32_MAX;
    if (silent && now - begin > USMP_HANDSHAKE_MS) err = USMP_ERR_HANDSHAKE_TIMEOUT;
  }
  unlock(ctx);
  if (ctx->established) return USMP_OK;
  /* What was dropped on a datagram transport or line says more than the deadline that followed. */
  const usmp_conn_t *conn = &ctx->work->conn;
  if (err == USMP_ERR_HANDSHAKE_TIMEOUT && usmp_conn_last_drop(conn) < 0) err = usmp_conn_last_drop(conn);
  memcpy(ctx->device_id, usmp_conn_device_id(conn), USMP_DEVICE_ID_LEN);
  return usmp_fail_connect(ctx, err);
}

usmp_err_t usmp_connect(usmp_t *ctx, usmp_transport_t *transport)
{
  usmp_err_t err = usmp_connect_async(ctx, transport);
  return err == USMP_OK ? usmp_finish_handshake(ctx) : err;
}

usmp_err_t usmp_reconnect_async(usmp_t *ctx)
{
  if (!ctx || !ctx->transport.reconnect) return USMP_ERR_INVALID_ARGUMENT;
  if (ctx->work) usmp_conn_wipe(&ctx->work->conn); /* the old keys, before anything can fail */
  ctx->established = false;
  int dialled = ctx->transport.reconnect(&ctx->transport);
  if (usmp_callback_result(dialled, USMP_ERR_UNREACHABLE) != USMP_OK) return usmp_fail_connect(ctx, USMP_ERR_UNREACHABLE);
  return usmp_connect_async(ctx, &ctx->transport);
}

usmp_err_t usmp_reconnect(usmp_t *ctx)
{
  usmp_err_t err = usmp_reconnect_async(ctx);
  return err == USMP_OK ? usmp_finish_handshake(ctx) : err;
}

/* ---- use ---- */

usmp_err_t usmp_step(usmp_t *ctx)
{
  usmp_err_t err = enter(ctx);
  if (err != USMP_OK) return err;
  err = record(ctx, poll_once(ctx, 0));
  leave(ctx);
  return err;
}

usmp_err_t usmp_keepalive_tick(usmp_t *ctx)
{
  return usmp_step(ctx);
}

/* Datagrams: stays until the peer has everything, unless another thread takes the acknowledgements in. */
static void await_delivery(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->work->conn;

  if (ctx->transport.kind != USMP_KIND_DATAGRAM) return;
  while (!ctx->reading && !usmp_conn_drained(conn) && usmp_conn_error(conn) == 0) poll_once(ctx, LONGEST_WAIT_MS);
}

/* Lets some time pass while the transport has no room. Who waits goes on taking in what comes, and notices an end. While another
   thread sends, it sends this as well. */
static void await_room(usmp_t *ctx)
{
  bool other_sends = ctx->sending;

  yield_to_others(ctx);
  if (!other_sends) {
    poll_once(ctx, 0);
    return;
  }
  usmp_port_wdt_feed();
  flush(ctx);
}

/* Until the transport has taken all that is queued, or the session has ended or given way to a new one. */
static void flush_all(usmp_t *ctx)
{
  const usmp_conn_t *conn = &ctx->work->conn;

  flush(ctx);
  while ((ctx->sending || has_unsent(ctx)) && usmp_conn_error(conn) == 0) await_room(ctx);
}

/* One of the engine's commands, tried again as the queue drains. */
static usmp_err_t command(usmp_t *ctx, int (*run)(usmp_conn_t *, const uint8_t *, size_t, uint32_t),
                          const uint8_t *data, size_t len)
{
  usmp_err_t entered = enter(ctx);
  if (entered != USMP_OK) return ctx && ctx->ended == entered ? USMP_ERR_NOT_CONNECTED : entered;
  usmp_conn_t *conn = &ctx->work->conn;
  int err = run(conn, data, len, usmp_port_millis());
  while (err == USMP_ERR_QUEUE_FULL && !usmp_conn_drained(conn) && usmp_conn_error(conn) == 0) {
    if (ctx->sending || has_unsent(ctx)) await_room(ctx);
    else poll_once(ctx, LONGEST_WAIT_MS);
    err = run(conn, data, len, usmp_port_millis());
  }
  if (run == usmp_conn_send) flush_all(ctx);
  else flush(ctx); /* what is no message leaves with the next call if there is no room now */
  if (err == USMP_OK) await_delivery(ctx);
  if (err == USMP_OK) err = usmp_conn_error(conn);
  sync_state(ctx);
  record(ctx, err);
  leave(ctx);
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

static void drop_first(usmp_workspace_t *work, uint16_t len)
{
  work->too_large = false;
  if (work->receive_queue_len == 0) {
    set_message_waits(work, false);
    return;
  }
  work->receive_queue_len = (uint16_t)(work->receive_queue_len - len - 2);
  memmove(work->receive_queue, work->receive_queue + len + 2, work->receive_queue_len);
  /* What waits behind it follows as soon as it may: while it waits no other message is taken. */
  if (work->message_waits && push_receive_queue(work, work->message, work->message_len)) set_message_waits(work, false);
}

/* A message that does not fit waits for one more call: an application whose buffer will never do must not meet it for
   ever. */
static int take_message(usmp_workspace_t *work, uint8_t *out, uint16_t max_len)
{
  bool first = work->receive_queue_len > 0;
  uint16_t len = first ? usmp_load16(work->receive_queue) : work->message_len;

  if (len > max_len) {
    if (work->too_large) drop_first(work, len);
    else work->too_large = true;
    return USMP_ERR_MESSAGE_TOO_LARGE;
  }
  memcpy(out, first ? work->receive_queue + 2 : work->message, len);
  drop_first(work, len);
  return len;
}

/* As in the published component: what came was PING or PONG, and nothing is behind it. */
static bool only_control_came(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  return work->control_came && work->rx_chunk_at == work->rx_chunk_len && transport_available(&ctx->transport) <= 0;
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
    if (has_message(ctx->work)) return take_message(ctx->work, out, max_len);
    int err = usmp_conn_error(&ctx->work->conn);
    if (err < 0) return err;
    ctx->woken = ctx->wake;
    ctx->timed_out = ctx->woken || may_return_empty(ctx, elapsed);
    ctx->wake = false;
    if (ctx->timed_out) return 0;
    poll_once(ctx, smaller(wait_ms, LONGEST_WAIT_MS));
  }
}

/* The turn to receive is awaited with the session in use, so that its locks stay, and without the lock of the engine. */
static usmp_err_t enter_receiving(usmp_t *ctx)
{
  usmp_err_t err = enter(ctx);
  if (err != USMP_OK) return err;
  unlock(ctx);
  bool mine = lock_receivers(ctx);
  relock(ctx);
  if (mine) return USMP_OK;
  leave(ctx);
  return USMP_ERR_TOO_MANY_CONNECTIONS;
}

int usmp_recv(usmp_t *ctx, uint8_t *out, uint16_t max_len)
{
  if (!ctx || (!out && max_len)) return USMP_ERR_INVALID_ARGUMENT;
  usmp_err_t err = enter_receiving(ctx);
  if (err != USMP_OK) return err;
  int result = receive_locked(ctx, out, max_len);
  record(ctx, result);
  unlock_receivers(ctx);
  leave(ctx);
  return result;
}

usmp_err_t usmp_wake(usmp_t *ctx)
{
  usmp_err_t err = enter(ctx);
  if (err != USMP_OK) return err;
  ctx->wake = true;
  leave(ctx);
  return USMP_OK;
}

bool usmp_message_waits(usmp_t *ctx)
{
  if (enter(ctx) != USMP_OK) return false;
  bool waits = has_message(ctx->work);
  leave(ctx);
  return waits;
}

/* Until the transport has taken what is queued, or a close that began then has had its time. */
static void drain(usmp_t *ctx, uint32_t begin)
{
  flush(ctx);
  while (has_unsent(ctx) && usmp_port_millis() - begin < USMP_CLOSE_MS) {
    usmp_port_wdt_feed();
    yield_to_others(ctx);
    flush(ctx);
  }
}

static void close_session(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->work->conn;
  uint32_t begin = usmp_port_millis();

  drain(ctx, begin); /* a full queue has no room for the BYE */
  usmp_conn_close(conn, USMP_ERR_CLOSED, usmp_port_millis());
  drain(ctx, begin);
  while (usmp_conn_state(conn) == USMP_CONN_CLOSING) poll_once(ctx, LONGEST_WAIT_MS); /* the engine's own end */
}

void usmp_close(usmp_t *ctx)
{
  if (!ctx || !has_locks(ctx)) return;
  bool locked = lock(ctx);
  if (ctx->work && locked) close_session(ctx);
  close_transport(ctx);
  ctx->established = ctx->wake = ctx->replaced = false;
  ctx->state = USMP_STATE_IDLE;
  ctx->ended = USMP_OK;
  usmp_workspace_give_back(ctx);
  if (locked) unlock(ctx);
  usmp_workspace_destroy_locks(ctx);
}
