#include "internal.h"
#include "usmp/callbacks.h"

bool usmp_lock(usmp_t *ctx)
{
#if USMP_THREADS
  return usmp_callback_result(usmp_port_mutex_lock(ctx->tx_mutex), USMP_ERR_TOO_MANY_CONNECTIONS) == USMP_OK;
#else
  (void)ctx;
  return true;
#endif
}

void usmp_unlock(usmp_t *ctx)
{
#if USMP_THREADS
  usmp_port_mutex_unlock(ctx->tx_mutex);
#else
  (void)ctx;
#endif
}

void usmp_relock(usmp_t *ctx)
{
  while (!usmp_lock(ctx)) usmp_port_delay_ms(USMP_PAUSE_MS);
}

bool usmp_lock_receivers(usmp_t *ctx)
{
#if USMP_THREADS
  return usmp_callback_result(usmp_port_mutex_lock(ctx->rx_mutex), USMP_ERR_TOO_MANY_CONNECTIONS) == USMP_OK;
#else
  (void)ctx;
  return true;
#endif
}

void usmp_unlock_receivers(usmp_t *ctx)
{
#if USMP_THREADS
  usmp_port_mutex_unlock(ctx->rx_mutex);
#else
  (void)ctx;
#endif
}

bool usmp_has_locks(const usmp_t *ctx)
{
#if USMP_THREADS
  return ctx->tx_mutex != NULL;
#else
  (void)ctx;
  return true;
#endif
}

void usmp_yield_to_others(usmp_t *ctx)
{
  usmp_unlock(ctx);
  usmp_port_delay_ms(USMP_PAUSE_MS);
  usmp_relock(ctx);
}

usmp_err_t usmp_enter(usmp_t *ctx)
{
  if (!ctx) return USMP_ERR_INVALID_ARGUMENT;
  if (!usmp_has_locks(ctx)) return USMP_ERR_NOT_CONNECTED;
  if (!usmp_lock(ctx)) return USMP_ERR_TOO_MANY_CONNECTIONS;
  if (ctx->work) {
    ctx->users++;
    return USMP_OK;
  }
  usmp_err_t ended = ctx->ended;
  usmp_unlock(ctx);
  return ended == USMP_OK ? USMP_ERR_NOT_CONNECTED : ended;
}

/* The memory goes back here because nobody knows whether usmp_close will ever be called. */
void usmp_leave(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;

  ctx->users--;
  if (ctx->users == 0 && usmp_conn_state(&work->conn) == USMP_CONN_CLOSED && !usmp_has_message(work) && !ctx->replaced) {
    ctx->ended = (usmp_err_t)usmp_conn_error(&work->conn);
    usmp_workspace_give_back(ctx);
  }
  usmp_unlock(ctx);
}
