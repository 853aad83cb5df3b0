#include <string.h>

#include "internal.h"
#include "usmp/callbacks.h"

usmp_err_t usmp_listen(usmp_listener_t *listener, usmp_find_psk_fn find_psk, void *context)
{
  if (!listener || !listener->accept || !find_psk) return USMP_ERR_INVALID_ARGUMENT;
  listener->find_psk = find_psk;
  listener->context = context;
  memset(listener->failures, 0, sizeof listener->failures);
  listener->first_len = 0;
  listener->issuer.crypto = usmp_port_crypto();
  if (!listener->issuer.crypto) return USMP_ERR_CRYPTO_FAILED;
  int drawn = usmp_port_random(listener->issuer.secret, sizeof listener->issuer.secret);
  return (usmp_err_t)usmp_callback_result(drawn, USMP_ERR_RANDOM_FAILED);
}

static usmp_lockout_t lockout_of(usmp_listener_t *listener)
{
  return (usmp_lockout_t){listener->failures, USMP_LOCKOUT_ENTRIES};
}

static usmp_peer_id_t peer_of(const usmp_listener_t *listener, const uint8_t device_id[USMP_DEVICE_ID_LEN])
{
  usmp_peer_id_t peer;
  memcpy(peer.address, listener->peer_address, sizeof peer.address);
  memcpy(peer.device_id, device_id, sizeof peer.device_id);
  return peer;
}

static int find_psk_unless_locked_out(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_listener_t *listener = context;
  usmp_lockout_t lockout = lockout_of(listener);
  usmp_peer_id_t peer = peer_of(listener, device_id);

  if (usmp_lockout_holds(&lockout, &peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return listener->find_psk(listener->context, device_id, found);
}

/* Over UDP other sessions' threads may be in the listener's table, so a session counts for itself who fails beside it. All
   of them come from its peer's address and port. */
static const usmp_peer_id_t next_handshake_peer;

static int find_psk_for_next_handshake(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_t *ctx = context;
  usmp_lockout_t lockout = {&ctx->failures, 1};

  if (usmp_lockout_holds(&lockout, &next_handshake_peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return ctx->listener->find_psk(ctx->listener->context, device_id, found);
}

/* Only who had its say and failed is counted: no timeout, no noise. */
static void count(usmp_lockout_t lockout, const usmp_peer_id_t *peer, int err)
{
  if (err == USMP_OK) usmp_lockout_succeeded(&lockout, peer);
  if (err == USMP_ERR_AUTH_FAILED || err == USMP_ERR_UNKNOWN_DEVICE || err == USMP_ERR_LOW_ORDER_POINT) {
    usmp_lockout_failed(&lockout, peer, usmp_port_millis());
  }
}

/* The same for a handshake beside a session. */
static void count_next_handshake(usmp_t *ctx, const uint8_t device_id[USMP_DEVICE_ID_LEN], int err)
{
  usmp_peer_id_t peer = peer_of(ctx->listener, device_id);

  if (ctx->transport.kind == USMP_KIND_DATAGRAM) count((usmp_lockout_t){&ctx->failures, 1}, &next_handshake_peer, err);
  else count(lockout_of(ctx->listener), &peer, err);
}

static usmp_err_t start(usmp_listener_t *listener, usmp_t *ctx, usmp_transport_t *peer)
{
  usmp_err_t err = usmp_prepare(ctx, peer);
  if (err != USMP_OK) return err;
  if (listener->first_len > sizeof listener->first) return USMP_ERR_TRANSPORT_FAILED;
  usmp_workspace_t *work = ctx->work;
  work->config.find_psk = find_psk_unless_locked_out;
  work->config.context = listener;
  memcpy(listener->peer_address, peer->peer_address, sizeof listener->peer_address);
  memcpy(work->rx_chunk, listener->first, listener->first_len);
  work->rx_chunk_len = (uint16_t)listener->first_len;
  listener->first_len = 0;
  ctx->listener = listener;
  memset(&ctx->failures, 0, sizeof ctx->failures);
  if (peer->kind != USMP_KIND_STREAM && !ctx->next_handshake) {
    ctx->next_handshake = usmp_workspace_take(ctx);
    if (!ctx->next_handshake) USMP_LOGW("usmp", "one workspace only: a client that restarts has to wait");
  }
  if (ctx->next_handshake) ctx->next_handshake->config = work->config;
  if (ctx->next_handshake && peer->kind == USMP_KIND_DATAGRAM) {
    ctx->next_handshake->config.find_psk = find_psk_for_next_handshake;
    ctx->next_handshake->config.context = ctx;
  }
  return (usmp_err_t)usmp_start_server(work);
}

/* A listener may return early, with nothing: over UDP most datagrams open no connection. */
static usmp_err_t await_peer(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  do {
    memset(peer, 0, sizeof *peer);
    int found = listener->accept(listener, peer, wait_ms - elapsed);
    if (found == 1) return USMP_OK;
    if (found != 0) {
      if (peer->close) peer->close(peer);
      return USMP_ERR_TRANSPORT_FAILED;
    }
    elapsed = usmp_port_millis() - begin;
  } while (elapsed < wait_ms);
  return USMP_ERR_NOT_CONNECTED;
}

usmp_err_t usmp_accept(usmp_listener_t *listener, usmp_t *ctx, uint32_t wait_ms)
{
  usmp_transport_t peer;

  if (!listener || !ctx || !listener->find_psk || !listener->accept) return USMP_ERR_INVALID_ARGUMENT;
  usmp_err_t err = await_peer(listener, &peer, wait_ms);
  if (err != USMP_OK) return err;
  err = start(listener, ctx, &peer);
  if (err != USMP_OK) {
    listener->first_len = 0;
    return usmp_fail_connect(ctx, err);
  }
  err = usmp_finish_handshake(ctx);
  usmp_peer_id_t id = peer_of(listener, ctx->device_id);
  count(lockout_of(listener), &id, err);
  return err;
}

bool usmp_next_handshake_on_serial(const usmp_t *ctx)
{
  return ctx->next_handshake && ctx->transport.kind == USMP_KIND_SERIAL;
}

void usmp_next_handshake_save_remaining(usmp_t *ctx, const uint8_t *rest)
{
  usmp_listener_t *listener = ctx->listener;
  usmp_workspace_t *work = ctx->work;
  size_t len = (size_t)(work->rx_chunk + work->rx_chunk_len - rest);

  if (len > sizeof listener->first) { /* the HELLO is what a client waits behind: it stands last */
    rest += len - sizeof listener->first;
    len = sizeof listener->first;
  }
  memcpy(listener->first, rest, len);
  listener->first_len = len;
  work->rx_chunk_len = work->rx_chunk_at;
}

/* What the old session has not read yet, from `rest` on, is the new one's. */
static void adopt_next_session(usmp_t *ctx, const uint8_t *rest)
{
  usmp_workspace_t *old = ctx->work;
  size_t len = (size_t)(old->rx_chunk + old->rx_chunk_len - rest);
  usmp_event_t event;

  ctx->work = ctx->next_handshake;
  ctx->next_handshake = old;
  while (usmp_conn_poll_event(&ctx->work->conn, &event)) continue;
  memmove(ctx->work->rx_chunk, rest, len);
  ctx->work->rx_chunk_at = 0;
  ctx->work->rx_chunk_len = (uint16_t)len;
  ctx->work->receive_queue_len = ctx->work->tx_chunk_at = ctx->work->tx_chunk_len = 0;
  ctx->work->message_waits = false;
  ctx->next_handshake->config = ctx->work->config;
  count_next_handshake(ctx, usmp_conn_device_id(&ctx->work->conn), USMP_OK);
  usmp_conn_wipe(&ctx->next_handshake->conn); /* no BYE: the client that would read it is gone */
  ctx->replaced = true;
}

/* The first datagrams of a client that was restarted at its address are judged as a stranger's are: nobody who only writes
   that address on a datagram gets further. Their cookies are good for this session alone. */
static bool verify_hello_cookie(usmp_t *ctx, const uint8_t *datagram, size_t len)
{
  usmp_transport_t *transport = &ctx->transport;
  uint8_t place[USMP_ADDRESS_MAX + USMP_SESSION_ID_LEN];
  usmp_hello_retry_t answer;

  memcpy(place, transport->peer_address, USMP_ADDRESS_MAX);
  memcpy(place + USMP_ADDRESS_MAX, ctx->session_id, USMP_SESSION_ID_LEN);
  int gate = usmp_verify_hello_cookie(&ctx->listener->issuer, place, sizeof place, usmp_port_millis() / 1000u, datagram, len, &answer);
  if (gate == 0) {
    transport->send(transport, answer.utack, USMP_UTACK_SIZE); /* who does not get them asks again */
    transport->send(transport, answer.retry, sizeof answer.retry);
  }
  return gate == 1;
}

/* True when no handshake runs there; one that has ended is counted, once. */
static bool end_last_handshake(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->next_handshake->conn;

  usmp_conn_handle_timeout(conn, usmp_port_millis());
  if (usmp_conn_state(conn) != USMP_CONN_CLOSED) return false;
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  int err = usmp_conn_error(conn);
  memcpy(device_id, usmp_conn_device_id(conn), sizeof device_id);
  usmp_conn_wipe(conn);
  if (err != USMP_OK) count_next_handshake(ctx, device_id, err);
  return true;
}

void usmp_next_handshake_feed(usmp_t *ctx, const uint8_t *bytes, size_t len)
{
  usmp_workspace_t *next_handshake = ctx->next_handshake;
  usmp_conn_t *conn = &next_handshake->conn;
  size_t at = 0;

  if (!usmp_conn_established(&ctx->work->conn)) return;
  if (end_last_handshake(ctx)) {
    if (ctx->transport.kind == USMP_KIND_DATAGRAM && !verify_hello_cookie(ctx, bytes, len)) return;
    if (usmp_start_server(next_handshake) != USMP_OK) return;
  }
  while (at < len && !usmp_conn_established(conn)) {
    int used = usmp_conn_receive(conn, bytes + at, len - at, usmp_port_millis());
    if (used < 0) return;
    at += (size_t)used;
  }
  if (usmp_conn_established(conn)) adopt_next_session(ctx, bytes + at);
}

void usmp_next_handshake_timeout(usmp_t *ctx)
{
  (void)end_last_handshake(ctx);
}
