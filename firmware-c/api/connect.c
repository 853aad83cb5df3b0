#include <string.h>

#include "internal.h"
#include "usmp/callbacks.h"

/* ---- making ready ---- */

/* Whether this struct was zeroed and never used. Only the private part tells: the application may have written the rest. */
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

static int port_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

usmp_err_t usmp_prepare(usmp_t *ctx, usmp_transport_t *transport)
{
  const usmp_crypto_t *crypto = usmp_port_crypto();

  reset_unknown(ctx, transport);
  usmp_adopt_transport(ctx, transport);
  ctx->open = true;
  ctx->broken = ctx->replaced = ctx->wake = ctx->established = false;
  ctx->ended = USMP_OK;
  if (!usmp_transport_is_usable(&ctx->transport)) return USMP_ERR_INVALID_ARGUMENT;
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
  work->config.random = port_random;
  work->config.suite = ctx->cipher_suite;
  work->config.kind = (uint8_t)ctx->transport.kind;
  work->config.allow_weak_psk = ctx->allow_weak_psk;
  work->config.drop_late = ctx->drop_late;
  return USMP_OK;
}

/* ---- the handshake ---- */

static usmp_err_t name_client(const usmp_t *ctx)
{
  uint8_t *id = ctx->work->config.device_id;

  if (!ctx->own_device_id)
    return (usmp_err_t)usmp_callback_result(usmp_port_get_device_id(id, USMP_DEVICE_ID_LEN), USMP_ERR_INVALID_ARGUMENT);
  memcpy(id, ctx->own_device_id, USMP_DEVICE_ID_LEN);
  return USMP_OK;
}

static int start_client(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  usmp_buffers_t buffers = usmp_buffers_of(work);

  work->config.psk = ctx->psk;
  work->config.psk_len = ctx->psk_len;
  usmp_err_t err = name_client(ctx);
  if (err != USMP_OK) return err;
  return usmp_conn_init_client(&work->conn, &work->config, &buffers, usmp_port_millis());
}

usmp_err_t usmp_fail_connect(usmp_t *ctx, int err)
{
  usmp_close_transport(ctx);
  ctx->established = false;
  ctx->state = USMP_STATE_ERROR;
  usmp_workspace_give_back(ctx);
  usmp_workspace_destroy_locks(ctx);
  return usmp_record_error(ctx, err);
}

usmp_err_t usmp_connect_async(usmp_t *ctx, usmp_transport_t *transport)
{
  if (!ctx || !transport) return USMP_ERR_INVALID_ARGUMENT;
  int err = usmp_prepare(ctx, transport);
  if (err == USMP_OK) err = start_client(ctx);
  if (err == USMP_OK && !usmp_lock(ctx)) err = USMP_ERR_TOO_MANY_CONNECTIONS;
  if (err != USMP_OK) return usmp_fail_connect(ctx, err);
  usmp_flush(ctx);
  usmp_sync_state(ctx);
  usmp_unlock(ctx);
  return USMP_OK;
}

usmp_err_t usmp_finish_handshake(usmp_t *ctx)
{
  uint32_t begin = usmp_port_millis();
  int err = USMP_OK;

  if (!usmp_lock(ctx)) return usmp_fail_connect(ctx, USMP_ERR_TOO_MANY_CONNECTIONS);
  while (err == USMP_OK && !ctx->established) {
    err = usmp_poll_once(ctx, USMP_LONGEST_WAIT_MS);
    /* What came on a serial line may have been noise: the engine would wait for a HELLO without end. */
    uint32_t now = usmp_port_millis();
    const usmp_conn_t *conn = &ctx->work->conn;
    bool silent = usmp_conn_state(conn) == USMP_CONN_AWAIT_HELLO && usmp_conn_poll_timeout(conn, now) == UINT32_MAX;
    if (silent && now - begin > USMP_HANDSHAKE_MS) err = USMP_ERR_HANDSHAKE_TIMEOUT;
  }
  usmp_unlock(ctx);
  if (ctx->established) return USMP_OK;
  /* What was dropped on a datagram transport or serial line says more than the deadline that followed. */
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
