#include <string.h>

#include "internal.h"

usmp_err_t usmp_listen(usmp_listener_t *listener, usmp_find_psk_fn find_psk, void *context)
{
  if (!listener || !listener->accept || !find_psk) return USMP_ERR_INVALID_ARGUMENT;
  listener->find_psk = find_psk;
  listener->context = context;
  memset(listener->failures, 0, sizeof listener->failures);
  listener->first_len = 0;
  listener->jar.crypto = usmp_port_crypto();
  if (!listener->jar.crypto) return USMP_ERR_CRYPTO_FAILED;
  if (usmp_port_random(listener->jar.secret, sizeof listener->jar.secret) < 0) return USMP_ERR_RANDOM_FAILED;
  return USMP_OK;
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

static int guarded_find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_listener_t *listener = context;
  usmp_lockout_t lockout = lockout_of(listener);
  usmp_peer_id_t peer = peer_of(listener, device_id);

  if (usmp_lockout_holds(&lockout, &peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return listener->find_psk(listener->context, device_id, found);
}

/* Only who had its say and failed is counted: no timeout, no noise. */
static void count(usmp_listener_t *listener, const usmp_t *ctx, usmp_err_t err)
{
  usmp_lockout_t lockout = lockout_of(listener);
  usmp_peer_id_t peer = peer_of(listener, ctx->device_id);

  if (err == USMP_OK) usmp_lockout_succeeded(&lockout, &peer);
  if (err == USMP_ERR_AUTH_FAILED || err == USMP_ERR_UNKNOWN_DEVICE || err == USMP_ERR_LOW_ORDER_POINT) {
    usmp_lockout_failed(&lockout, &peer, usmp_port_millis());
  }
}

static usmp_err_t start(usmp_listener_t *listener, usmp_t *ctx, usmp_transport_t *peer)
{
  usmp_err_t err = usmp_prepare(ctx, peer);
  if (err != USMP_OK) return err;
  usmp_workspace_t *work = ctx->work;
  work->config.find_psk = guarded_find_psk;
  work->config.context = listener;
  memcpy(listener->peer_address, peer->peer_address, sizeof listener->peer_address);
  memcpy(work->inbox, listener->first, listener->first_len);
  work->inbox_len = (uint16_t)listener->first_len;
  listener->first_len = 0;
  ctx->listener = listener;
  if (peer->kind != USMP_KIND_STREAM && !ctx->beside) {
    ctx->beside = usmp_workspace_take(ctx);
    if (!ctx->beside) usmp_port_log('W', "usmp", "one workspace only: a client that restarts has to wait");
  }
  if (ctx->beside) ctx->beside->config = work->config;
  if (ctx->beside && peer->kind == USMP_KIND_DATAGRAM) { /* other sessions' threads may be in the lockout's table */
    ctx->beside->config.find_psk = listener->find_psk;
    ctx->beside->config.context = listener->context;
  }
  return (usmp_err_t)usmp_start_server(work);
}

usmp_err_t usmp_accept(usmp_listener_t *listener, usmp_t *ctx, uint32_t wait_ms)
{
  usmp_transport_t peer;

  if (!listener || !ctx || !listener->find_psk) return USMP_ERR_INVALID_ARGUMENT;
  memset(&peer, 0, sizeof peer);
  int found = listener->accept(listener, &peer, wait_ms);
  if (found < 0) return USMP_ERR_TRANSPORT_FAILED;
  if (found == 0) return USMP_ERR_NOT_CONNECTED;
  usmp_err_t err = start(listener, ctx, &peer);
  if (err != USMP_OK) {
    if (peer.close) peer.close(&peer);
    return err;
  }
  err = usmp_finish_handshake(ctx);
  count(listener, ctx, err);
  return err;
}

bool usmp_watches_line(const usmp_t *ctx)
{
  return ctx->beside && ctx->transport.kind == USMP_KIND_SERIAL;
}

void usmp_keep_rest(usmp_t *ctx, const uint8_t *rest)
{
  usmp_listener_t *listener = ctx->listener;
  usmp_workspace_t *work = ctx->work;
  size_t len = (size_t)(work->inbox + work->inbox_len - rest);

  if (len > sizeof listener->first) { /* the HELLO is what a client waits behind: it stands last */
    rest += len - sizeof listener->first;
    len = sizeof listener->first;
  }
  memcpy(listener->first, rest, len);
  listener->first_len = len;
  work->inbox_len = work->inbox_at;
}

/* What the old session has not read yet, from `rest` on, is the new one's. */
static void replace(usmp_t *ctx, const uint8_t *rest)
{
  usmp_workspace_t *old = ctx->work;
  size_t len = (size_t)(old->inbox + old->inbox_len - rest);
  usmp_event_t event;

  ctx->work = ctx->beside;
  ctx->beside = old;
  while (usmp_conn_poll_event(&ctx->work->conn, &event)) continue;
  memmove(ctx->work->inbox, rest, len);
  ctx->work->inbox_at = 0;
  ctx->work->inbox_len = (uint16_t)len;
  ctx->work->backlog_len = 0;
  ctx->work->message_waits = false;
  ctx->beside->config = ctx->work->config;
  usmp_conn_wipe(&ctx->beside->conn); /* no BYE: the client that would read it is gone */
  ctx->replaced = true;
}

/* The first datagrams of a client that was restarted at its address are judged as a stranger's are: nobody who only writes
   that address on a datagram gets further. Their cookies are good for this session alone. */
static bool admitted(usmp_t *ctx, const uint8_t *datagram, size_t len)
{
  usmp_transport_t *transport = &ctx->transport;
  uint8_t place[USMP_ADDRESS_MAX + USMP_SESSION_ID_LEN];
  usmp_cookie_answer_t answer;

  memcpy(place, transport->peer_address, USMP_ADDRESS_MAX);
  memcpy(place + USMP_ADDRESS_MAX, ctx->session_id, USMP_SESSION_ID_LEN);
  int gate = usmp_cookie_gate(&ctx->listener->jar, place, sizeof place, usmp_port_millis() / 1000u, datagram, len, &answer);
  if (gate == 0) {
    transport->send(transport, answer.utack, USMP_UTACK_SIZE);
    transport->send(transport, answer.retry, sizeof answer.retry);
  }
  return gate == 1;
}

void usmp_watch(usmp_t *ctx, const uint8_t *bytes, size_t len)
{
  usmp_workspace_t *beside = ctx->beside;
  usmp_conn_t *conn = &beside->conn;
  size_t at = 0;

  if (!usmp_conn_established(&ctx->work->conn)) return;
  usmp_conn_handle_timeout(conn, usmp_port_millis());
  if (usmp_conn_state(conn) == USMP_CONN_CLOSED) {
    if (ctx->transport.kind == USMP_KIND_DATAGRAM && !admitted(ctx, bytes, len)) return;
    if (usmp_start_server(beside) < 0) return;
  }
  while (at < len && !usmp_conn_established(conn)) {
    int used = usmp_conn_receive(conn, bytes + at, len - at, usmp_port_millis());
    if (used < 0) return;
    at += (size_t)used;
  }
  usmp_flush_conn(ctx, conn);
  if (usmp_conn_established(conn)) replace(ctx, bytes + at);
}

void usmp_watch_time(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->beside->conn;
  usmp_conn_handle_timeout(conn, usmp_port_millis());
  usmp_flush_conn(ctx, conn);
}
