#include "usmp/replay.h"

#include "usmp/constants.h"

usmp_freshness_t usmp_replay_check(const usmp_replay_t *window, uint32_t seq)
{
  if (seq >= window->next) return USMP_NEW;
  uint32_t age = window->next - 1 - seq;
  if (age >= USMP_REPLAY_WINDOW) return USMP_STALE;
  return (window->seen[age / 32] >> (age % 32)) & 1 ? USMP_DUPLICATE : USMP_NEW;
}

void usmp_replay_commit(usmp_replay_t *window, uint32_t seq)
{
  if (seq >= window->next) {
    uint32_t shift = seq + 1 - window->next;
    window->next = seq + 1;
    for (shift = shift < USMP_REPLAY_WINDOW ? shift : USMP_REPLAY_WINDOW; shift > 0; shift--) {
      window->seen[1] = window->seen[1] << 1 | window->seen[0] >> 31;
      window->seen[0] <<= 1;
    }
  }
  uint32_t age = window->next - 1 - seq;
  window->seen[age / 32] |= (uint32_t)1 << (age % 32);
}
