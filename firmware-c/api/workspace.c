#include <stdint.h>
#include <string.h>

#include "internal.h"

static usmp_workspace_t pool[USMP_POOL_SIZE];

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
    if (pool[i].taken) continue;
    memset(&pool[i], 0, sizeof pool[i]);
    pool[i].taken = true;
    return &pool[i];
  }
  return NULL;
}

void usmp_workspace_give_back(usmp_t *ctx)
{
  /* Wiping also marks a place of the pool as free. */
  if (ctx->work) usmp_wipe(ctx->work, sizeof *ctx->work);
  if (ctx->beside) usmp_wipe(ctx->beside, sizeof *ctx->beside);
  ctx->work = ctx->beside = NULL;
}

usmp_buffers_t usmp_buffers_of(usmp_workspace_t *work)
{
  return (usmp_buffers_t){work->frame,         work->message,         work->tx,
                          sizeof work->frame, sizeof work->message, sizeof work->tx};
}
