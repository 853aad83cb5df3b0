#include "usmp/lockout.h"

#include <string.h>

#define FREE_FAILURES 4
#define LONGEST_MS 60000u
#define FORGOTTEN_MS 600000u

static usmp_lockout_entry_t *find(usmp_lockout_t *lockout, const usmp_peer_id_t *peer)
{
  for (size_t i = 0; i < lockout->count; i++) {
    usmp_lockout_entry_t *entry = &lockout->entries[i];
    if (entry->failures > 0 && memcmp(&entry->peer, peer, sizeof *peer) == 0) return entry;
  }
  return NULL;
}

static uint32_t lock_ms(uint16_t failures)
{
  unsigned doublings = failures - FREE_FAILURES - 1u;
  return doublings >= 6 ? LONGEST_MS : 1000u << doublings;
}

bool usmp_lockout_holds(usmp_lockout_t *lockout, const usmp_peer_id_t *peer, uint32_t now)
{
  usmp_lockout_entry_t *entry = find(lockout, peer);

  if (!entry) return false;
  uint32_t age = now - entry->failed_at;
  if (age >= FORGOTTEN_MS) entry->failures = 0;
  return entry->failures > FREE_FAILURES && age < lock_ms(entry->failures);
}

static usmp_lockout_entry_t *free_or_oldest(usmp_lockout_t *lockout, uint32_t now)
{
  usmp_lockout_entry_t *oldest = &lockout->entries[0];

  for (size_t i = 0; i < lockout->count; i++) {
    usmp_lockout_entry_t *entry = &lockout->entries[i];
    if (entry->failures == 0) return entry;
    if (now - entry->failed_at > now - oldest->failed_at) oldest = entry;
  }
  return oldest;
}

void usmp_lockout_failed(usmp_lockout_t *lockout, const usmp_peer_id_t *peer, uint32_t now)
{
  if (lockout->count == 0) return;
  usmp_lockout_entry_t *entry = find(lockout, peer);
  if (!entry || now - entry->failed_at >= FORGOTTEN_MS) {
    if (!entry) entry = free_or_oldest(lockout, now);
    entry->peer = *peer;
    entry->failures = 0;
  }
  entry->failed_at = now;
  if (entry->failures < UINT16_MAX) entry->failures++;
}

void usmp_lockout_succeeded(usmp_lockout_t *lockout, const usmp_peer_id_t *peer)
{
  usmp_lockout_entry_t *entry = find(lockout, peer);
  if (entry) entry->failures = 0;
}
