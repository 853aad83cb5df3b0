#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "internal.h"

static usmp_workspace_t pool[USMP_POOL_SIZE];
static atomic_bool in_use[USMP_POOL_SIZE]; /* a thread may give its place back while another one connects */

#if USMP_THREADS
/* Of the place, made when it is first taken and kept: a session that ends without usmp_close leaves none behind. */
static usmp_mutex_t locks[USMP_POOL_SIZE][2];
#endif

/* The number of its place in the pool, or USMP_POOL_SIZE. */
static size_t pool_index(const usmp_workspace_t *work)
{
  size_t i = 0;
  while (i < USMP_POOL_SIZE && work != &pool[i]) i++;
  return i;
}

usmp_workspace_t *usmp_workspace_take(usmp_t *ctx)
{
  bool aligned = (uintptr_t)ctx->scratch % _Alignof(usmp_workspace_t) == 0;
  bool own = !ctx->work && ctx->scratch && ctx->scratch_len >= sizeof(usmp_workspace_t) && aligned;

  if (own) {
    usmp_workspace_t *work = (usmp_workspace_t *)ctx->scratch;
    memset(work, 0, sizeof *work);
    return work;
  }
  for (size_t i = 0; i < USMP_POOL_SIZE; i++) {
    if (atomic_load(&in_use[i])) continue;
    atomic_store(&in_use[i], true);
    memset(&pool[i], 0, sizeof pool[i]);
    return &pool[i];
  }
  return NULL;
}

static void give_back(usmp_workspace_t *work)
{
  if (!work) return;
  usmp_wipe(work, sizeof *work);
  size_t i = pool_index(work);
  if (i < USMP_POOL_SIZE) atomic_store(&in_use[i], false);
}

void usmp_workspace_give_back(usmp_t *ctx)
{
  give_back(ctx->work);
  give_back(ctx->next_handshake);
  ctx->work = ctx->next_handshake = NULL;
}

#if USMP_THREADS

static bool create(usmp_mutex_t mutexes[2])
{
  for (int i = 0; i < 2; i++) {
    if (!mutexes[i] && usmp_port_mutex_create(&mutexes[i]) != 0) {
      mutexes[i] = NULL;
      return false;
    }
  }
  return true;
}

usmp_err_t usmp_workspace_locks(usmp_t *ctx)
{
  size_t place = pool_index(ctx->work);
  usmp_mutex_t own[2] = {ctx->tx_mutex, ctx->rx_mutex};

  if (!ctx->own_mutexes) own[0] = own[1] = NULL; /* of the place before */
  bool pooled = place < USMP_POOL_SIZE;
  if (pooled) usmp_workspace_destroy_locks(ctx);
  usmp_mutex_t *mutexes = pooled ? locks[place] : own;
  bool created = create(mutexes);
  ctx->own_mutexes = !pooled;
  ctx->tx_mutex = mutexes[0];
  ctx->rx_mutex = mutexes[1];
  return created ? USMP_OK : USMP_ERR_TOO_MANY_CONNECTIONS;
}

void usmp_workspace_destroy_locks(usmp_t *ctx)
{
  if (ctx->own_mutexes && ctx->tx_mutex) usmp_port_mutex_destroy(ctx->tx_mutex);
  if (ctx->own_mutexes && ctx->rx_mutex) usmp_port_mutex_destroy(ctx->rx_mutex);
  ctx->tx_mutex = ctx->rx_mutex = NULL;
  ctx->own_mutexes = false;
}

#else

usmp_err_t usmp_workspace_locks(usmp_t *ctx)
{
  (void)ctx;
  return USMP_OK;
}

void usmp_workspace_destroy_locks(usmp_t *ctx)
{
  (void)ctx;
}

#endif

usmp_buffers_t usmp_buffers_of(usmp_workspace_t *work)
{
  return (usmp_buffers_t){work->frame, work->message, work->tx, sizeof work->frame, sizeof work->message, sizeof work->tx};
}

int usmp_workspace_start_server(usmp_workspace_t *work)
{
  usmp_buffers_t buffers = usmp_buffers_of(work);
  return usmp_conn_init_server(&work->conn, &work->config, &buffers, usmp_port_millis());
}
