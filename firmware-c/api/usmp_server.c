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
  listener->jar.crypto = usmp_port_crypto();
  if (!listener->jar.crypto) return USMP_ERR_CRYPTO_FAILED;
  int drawn = usmp_port_random(listener->jar.secret, sizeof listener->jar.secret);
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

static int guarded_find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_listener_t *listener = context;
  usmp_lockout_t lockout = lockout_of(listener);
  usmp_peer_id_t peer = peer_of(listener, device_id);

  if (usmp_lockout_holds(&lockout, &peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return listener->find_psk(listener->context, device_id, found);
}

/* Over UDP other sessions' threads may be in the listener's table, so a session counts for itself who fails beside it. All
   of them come from its peer's address and port. */
static const usmp_peer_id_t beside_peer;

static int find_psk_beside(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_t *ctx = context;
  usmp_lockout_t lockout = {&ctx->failures, 1};

  if (usmp_lockout_holds(&lockout, &beside_peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
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
static void count_beside(usmp_t *ctx, const uint8_t device_id[USMP_DEVICE_ID_LEN], int err)
{
  usmp_peer_id_t peer = peer_of(ctx->listener, device_id);

  if (ctx->transport.kind == USMP_KIND_DATAGRAM) count((usmp_lockout_t){&ctx->failures, 1}, &beside_peer, err);
  else count(lockout_of(ctx->listener), &peer, err);
}

static usmp_err_t start(usmp_listener_t *listener, usmp_t *ctx, usmp_transport_t *peer)
{
  usmp_err_t err = usmp_prepare(ctx, peer);
  if (err != USMP_OK) return err;
  if (listener->first_len > sizeof listener->first) return USMP_ERR_TRANSPORT_FAILED;
  usmp_workspace_t *work = ctx->work;
  work->config.find_psk = guarded_find_psk;
  work->config.context = listener;
  memcpy(listener->peer_address, peer->peer_address, sizeof listener->peer_address);
  memcpy(work->inbox, listener->first, listener->first_len);
  work->inbox_len = (uint16_t)listener->first_len;
  listener->first_len = 0;
  ctx->listener = listener;
  memset(&ctx->failures, 0, sizeof ctx->failures);
  if (peer->kind != USMP_KIND_STREAM && !ctx->beside) {
    ctx->beside = usmp_workspace_take(ctx);
    if (!ctx->beside) USMP_LOGW("usmp", "one workspace only: a client that restarts has to wait");
  }
  if (ctx->beside) ctx->beside->config = work->config;
  if (ctx->beside && peer->kind == USMP_KIND_DATAGRAM) {
    ctx->beside->config.find_psk = find_psk_beside;
    ctx->beside->config.context = ctx;
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
  ctx->work->backlog_len = ctx->work->outbox_at = ctx->work->outbox_len = 0;
  ctx->work->message_waits = false;
  ctx->beside->config = ctx->work->config;
  count_beside(ctx, usmp_conn_device_id(&ctx->work->conn), USMP_OK);
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
    transport->send(transport, answer.utack, USMP_UTACK_SIZE); /* who does not get them asks again */
    transport->send(transport, answer.retry, sizeof answer.retry);
  }
  return gate == 1;
}

/* True when no handshake runs there; one that has ended is counted, once. */
static bool is_free(usmp_t *ctx)
{
  usmp_conn_t *conn = &ctx->beside->conn;

  usmp_conn_handle_timeout(conn, usmp_port_millis());
  if (usmp_conn_state(conn) != USMP_CONN_CLOSED) return false;
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  int err = usmp_conn_error(conn);
  memcpy(device_id, usmp_conn_device_id(conn), sizeof device_id);
  usmp_conn_wipe(conn);
  if (err != USMP_OK) count_beside(ctx, device_id, err);
  return true;
}

void usmp_watch(usmp_t *ctx, const uint8_t *bytes, size_t len)
{
  usmp_workspace_t *beside = ctx->beside;
  usmp_conn_t *conn = &beside->conn;
  size_t at = 0;

  if (!usmp_conn_established(&ctx->work->conn)) return;
  if (is_free(ctx)) {
    if (ctx->transport.kind == USMP_KIND_DATAGRAM && !admitted(ctx, bytes, len)) return;
    if (usmp_start_server(beside) != USMP_OK) return;
  }
  while (at < len && !usmp_conn_established(conn)) {
    int used = usmp_conn_receive(conn, bytes + at, len - at, usmp_port_millis());
    if (used < 0) return;
    at += (size_t)used;
  }
  if (usmp_conn_established(conn)) replace(ctx, bytes + at);
}

void usmp_watch_time(usmp_t *ctx)
{
  (void)is_free(ctx);
}
