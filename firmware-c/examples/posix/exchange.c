#include "exchange.h"

#include <string.h>

#define ANSWER_MS 10000

static uint8_t sent[USMP_MAX_MESSAGE_LEN];
static uint8_t got[USMP_MAX_MESSAGE_LEN];

int exchange_messages(usmp_t *ctx, const exchange_plan_t *plan)
{
  ctx->recv_timeout_ms = ANSWER_MS;
  for (unsigned long n = 0; n < plan->count; n++) {
    uint16_t size = plan->sizes[n % plan->size_count];
    for (size_t i = 0; i < size; i++) sent[i] = (uint8_t)(n + i * 7);
    int err = usmp_send(ctx, sent, size);
    if (err == 0 && plan->ping && n == 0) err = usmp_ping(ctx);
    int len = err < 0 ? err : usmp_recv(ctx, got, sizeof got);
    if (len < 0) return len;
    if (ctx->timed_out) return USMP_ERR_IDLE_TIMEOUT;
    if (len != size || memcmp(sent, got, size) != 0) return USMP_ERR_TRUNCATED;
    if (plan->rekey_every && (n + 1) % plan->rekey_every == 0) err = usmp_rekey(ctx);
    if (err < 0) return err;
  }
  return USMP_OK;
}

int exchange_echo(usmp_t *ctx)
{
  ctx->recv_timeout_ms = USMP_RECV_FOREVER;
  for (;;) {
    int len = usmp_recv(ctx, got, sizeof got);
    if (len < 0) return len;
    int err = usmp_send(ctx, got, (uint16_t)len);
    if (err < 0) return err;
  }
}
