/* A build without the crypto libraries for updates: nothing to do. */
#include "updates.h"

int updates_start(updates_t *u, const sensor_options_t *o, usmp_rpc_t *rpc, uint32_t now)
{
  (void)o, (void)rpc, (void)now;
  u->on = false;
  return 0;
}

void updates_stop(updates_t *u)
{
  (void)u;
}

void updates_connected(updates_t *u, uint32_t now)
{
  (void)u, (void)now;
}

void updates_lost(updates_t *u)
{
  (void)u;
}

bool updates_take(updates_t *u, const uint8_t *message, size_t len, uint32_t now)
{
  (void)u, (void)message, (void)len, (void)now;
  return false;
}

usmp_err_t updates_send(updates_t *u, usmp_t *ctx)
{
  (void)u, (void)ctx;
  return USMP_OK;
}

void updates_self_test_passed(updates_t *u)
{
  (void)u;
}

void updates_tick(updates_t *u, uint32_t now)
{
  (void)u, (void)now;
}

uint32_t updates_wait(const updates_t *u, uint32_t now)
{
  (void)u, (void)now;
  return UINT32_MAX;
}

bool updates_restart_wanted(const updates_t *u)
{
  (void)u;
  return false;
}
