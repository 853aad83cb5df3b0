#include <string.h>

#include "usmp_discovery.h"

#define QUERIES_IN_HASTE 3 /* with the pauses of the start between them */

int usmp_discovery_init_searcher(usmp_discovery_searcher_t *searcher, const usmp_discovery_wish_t *wish, uint32_t now)
{
  static const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE];
  uint8_t query[USMP_DISCOVERY_QUERY_SIZE];

  if (!wish->random || usmp_discovery_write_query(query, nonce, wish->roles) < 0) return USMP_ERR_INVALID_ARGUMENT;
  memset(searcher, 0, sizeof *searcher);
  searcher->wish = *wish;
  usmp_discovery_restart_search(searcher, now);
  return USMP_OK;
}

void usmp_discovery_restart_search(usmp_discovery_searcher_t *searcher, uint32_t now)
{
  searcher->queries = 0;
  searcher->next_query = now;
}

uint32_t usmp_discovery_query_due_in(const usmp_discovery_searcher_t *searcher, uint32_t now)
{
  uint32_t left = searcher->next_query - now;
  return left <= USMP_DISCOVERY_QUERY_PAUSE_MS ? left : 0; /* the clock wraps: more than the longest pause is the past */
}

void usmp_discovery_forget(usmp_discovery_searcher_t *searcher, size_t index)
{
  if (index >= searcher->count) return;
  searcher->count--;
  memmove(&searcher->found[index], &searcher->found[index + 1], (searcher->count - index) * sizeof *searcher->found);
}

/* One more query goes out: who did not answer the last two is dropped. */
static void age(usmp_discovery_searcher_t *searcher)
{
  for (size_t i = searcher->count; i-- > 0;) {
    if (searcher->found[i].missed >= USMP_DISCOVERY_MAX_MISSED) {
      usmp_discovery_forget(searcher, i);
    } else {
      searcher->found[i].missed++;
    }
  }
}

static uint32_t pause_after(uint8_t queries)
{
  if (queries == 1) return USMP_DISCOVERY_SECOND_QUERY_MS;
  return queries == 2 ? USMP_DISCOVERY_THIRD_QUERY_MS : USMP_DISCOVERY_QUERY_PAUSE_MS;
}

int usmp_discovery_query_due(usmp_discovery_searcher_t *searcher, uint32_t now, uint8_t query[USMP_DISCOVERY_QUERY_SIZE])
{
  uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE];

  if (usmp_discovery_query_due_in(searcher, now) > 0) return 0;
  if (searcher->wish.random(searcher->wish.context, nonce, sizeof nonce) != 0) return USMP_ERR_RANDOM_FAILED;
  memcpy(searcher->nonces[1], searcher->asked ? searcher->nonces[0] : nonce, sizeof nonce);
  memcpy(searcher->nonces[0], nonce, sizeof nonce);
  searcher->asked = true;
  age(searcher);
  if (searcher->queries < QUERIES_IN_HASTE) searcher->queries++;
  searcher->next_query = now + pause_after(searcher->queries);
  int err = usmp_discovery_write_query(query, nonce, searcher->wish.roles);
  return err < 0 ? err : USMP_DISCOVERY_QUERY_SIZE;
}

/* ---- answers ---- */

static bool is_ours(const usmp_discovery_searcher_t *searcher, const uint8_t *bytes)
{
  const uint8_t *nonce = bytes + USMP_DISCOVERY_NONCE_OFFSET;
  return searcher->asked && (memcmp(nonce, searcher->nonces[0], USMP_DISCOVERY_NONCE_SIZE) == 0 ||
                             memcmp(nonce, searcher->nonces[1], USMP_DISCOVERY_NONCE_SIZE) == 0);
}

static bool is_wanted(const usmp_discovery_wish_t *wish, const usmp_discovery_offer_t *offer)
{
  if (!(wish->roles & offer->role)) return false;
  if (wish->not_own && memcmp(wish->not_own, offer->instance, sizeof offer->instance) == 0) return false;
  return !wish->site || offer->role != USMP_DISCOVERY_GATEWAY || strcmp(wish->site, offer->site) == 0;
}

static bool same_carriers(const usmp_discovery_offer_t *a, const usmp_discovery_offer_t *b)
{
  if (a->carrier_count != b->carrier_count) return false;
  for (size_t i = 0; i < a->carrier_count; i++) {
    if (a->carriers[i].kind != b->carriers[i].kind || a->carriers[i].port != b->carriers[i].port) return false;
  }
  return true;
}

/* The join window apart, which may change at any time. */
static bool say_the_same(const usmp_discovery_offer_t *a, const usmp_discovery_offer_t *b)
{
  return a->role == b->role && memcmp(a->instance, b->instance, sizeof a->instance) == 0 && same_carriers(a, b) &&
         strcmp(a->site, b->site) == 0 && strcmp(a->path, b->path) == 0 && a->has_device_id == b->has_device_id &&
         memcmp(a->device_id, b->device_id, sizeof a->device_id) == 0; /* zero where there is none */
}

/* The index of a find that says the same from the same address; less than zero: there is none, and no room for one if `full`. */
static int find(const usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from,
                const usmp_discovery_offer_t *offer, bool *full)
{
  size_t of_this_ip = 0;

  for (size_t i = 0; i < searcher->count; i++) {
    const usmp_discovery_found_t *found = &searcher->found[i];
    if (memcmp(found->address.ip, from->ip, sizeof from->ip) != 0) continue;
    if (say_the_same(&found->offer, offer)) return (int)i;
    of_this_ip++;
  }
  *full = searcher->count == USMP_DISCOVERY_MAX_FOUND || of_this_ip == USMP_DISCOVERY_MAX_FOUND_PER_IP;
  return USMP_ERR_UNKNOWN_DEVICE;
}

int usmp_discovery_note_offer(usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from,
                              const usmp_discovery_offer_t *offer, uint32_t now)
{
  bool full = false;

  if (!is_wanted(&searcher->wish, offer)) return USMP_ERR_UNEXPECTED_PACKET;
  int index = find(searcher, from, offer, &full);
  if (index < 0 && full) return USMP_ERR_QUEUE_FULL;
  uint32_t mark = index < 0 ? 0 : searcher->found[index].mark;
  if (index < 0) index = (int)searcher->count++;
  searcher->found[index] = (usmp_discovery_found_t){.offer = *offer, .address = *from, .seen = now, .mark = mark};
  return index;
}

int usmp_discovery_note_answer(usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from, const uint8_t *bytes,
                               size_t len, uint32_t now)
{
  usmp_discovery_offer_t offer;

  if (usmp_discovery_read_answer(bytes, len, &offer) < 0) return USMP_ERR_BAD_PAYLOAD;
  return is_ours(searcher, bytes) ? usmp_discovery_note_offer(searcher, from, &offer, now) : USMP_ERR_UNEXPECTED_PACKET;
}
