#include <string.h>

#include "internal.h"

/* Over UDP the threads of other sessions may be in the listener's table. So each session counts the failures of its own next
   handshakes, which all come from the address and port of its peer. */
static const usmp_peer_id_t next_handshake_peer;

static int find_psk_for_next_handshake(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_t *ctx = context;
  usmp_lockout_t lockout = {&ctx->failures, 1};

  if (usmp_lockout_holds(&lockout, &next_handshake_peer, usmp_port_millis())) return USMP_ERR_LOCKED_OUT;
  return ctx->listener->find_psk(ctx->listener->context, device_id, found);
}

static void count_next_handshake(usmp_t *ctx, const uint8_t device_id[USMP_DEVICE_ID_LEN], int err)
{
  usmp_peer_id_t peer = usmp_listener_peer(ctx->listener, device_id);

  if (ctx->transport.kind == USMP_KIND_DATAGRAM)
    usmp_listener_count((usmp_lockout_t){&ctx->failures, 1}, &next_handshake_peer, err);
  else usmp_listener_count(usmp_listener_lockout(ctx->listener), &peer, err);
}

void usmp_next_handshake_prepare(usmp_t *ctx)
{
  usmp_config_t *config = &ctx->next_handshake->config;

  *config = ctx->work->config;
  if (ctx->transport.kind != USMP_KIND_DATAGRAM) return;
  config->find_psk = find_psk_for_next_handshake;
  config->context = ctx;
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

  if (len > sizeof listener->first) { /* the HELLO stands last: its client waits for the answer */
    rest += len - sizeof listener->first;
    len = sizeof listener->first;
  }
  memcpy(listener->first, rest, len);
  listener->first_len = len;
  work->rx_chunk_len = work->rx_chunk_at;
}

/* The new session takes the place of the old one. What that has not read yet, from `rest` on, is the new one's. */
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

/* The first datagrams of a restarted client are checked like those of a stranger: a sender that only forges the address gets no
   further. Their cookies are good for this session alone. */
static bool verify_hello_cookie(usmp_t *ctx, const uint8_t *datagram, size_t len)
{
  usmp_transport_t *transport = &ctx->transport;
  uint8_t address[USMP_ADDRESS_MAX + USMP_SESSION_ID_LEN];
  usmp_hello_retry_t answer;

  memcpy(address, transport->peer_address, USMP_ADDRESS_MAX);
  memcpy(address + USMP_ADDRESS_MAX, ctx->session_id, USMP_SESSION_ID_LEN);
  int gate = usmp_verify_hello_cookie(&ctx->listener->issuer, address, sizeof address, usmp_port_millis() / 1000u, datagram,
                                      len, &answer);
  if (gate == 0) {
    transport->send(transport, answer.utack, USMP_UTACK_SIZE); /* a client that does not get them asks again */
    transport->send(transport, answer.retry, sizeof answer.retry);
  }
  return gate == 1;
}

/* True when no handshake runs. One that has ended is counted, once. */
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
    if (usmp_workspace_start_server(next_handshake) != USMP_OK) return;
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
