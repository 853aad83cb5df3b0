#include <string.h>

#include "internal.h"

static usmp_err_t start(usmp_listener_t *listener, usmp_t *ctx, usmp_transport_t *peer)
{
  usmp_err_t err = usmp_prepare(ctx, peer);
  if (err != USMP_OK) return err;
  if (listener->first_len > sizeof listener->first) return USMP_ERR_TRANSPORT_FAILED;
  usmp_workspace_t *work = ctx->work;
  work->config.find_psk = usmp_listener_find_psk;
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
  if (ctx->next_handshake) usmp_next_handshake_prepare(ctx);
  return (usmp_err_t)usmp_workspace_start_server(work);
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
  usmp_peer_id_t id = usmp_listener_peer(listener, ctx->device_id);
  usmp_listener_count(usmp_listener_lockout(listener), &id, err);
  return err;
}
