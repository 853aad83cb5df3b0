#include <string.h>

#include "usmp_discovery.h"

#define SECOND_MS 1000u

int usmp_discovery_init_responder(usmp_discovery_responder_t *responder, const usmp_discovery_offer_t *offer)
{
  static const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE];
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];

  if (usmp_discovery_write_answer(answer, nonce, offer) < 0) return USMP_ERR_INVALID_ARGUMENT;
  memset(responder, 0, sizeof *responder);
  responder->offer = *offer;
  return USMP_OK;
}

bool usmp_discovery_is_near(const uint8_t ip[4])
{
  return ip[0] == 10 || ip[0] == 127 || (ip[0] == 169 && ip[1] == 254) || (ip[0] == 172 && (ip[1] & 0xf0u) == 16) ||
         (ip[0] == 192 && ip[1] == 168);
}

static bool is_over(const usmp_discovery_rate_t *rate, uint32_t now)
{
  return rate->answers == 0 || now - rate->since >= SECOND_MS;
}

/* True, and counted, when one more answer is allowed in this second. */
static bool allows(usmp_discovery_rate_t *rate, uint8_t limit, uint32_t now)
{
  if (is_over(rate, now)) {
    rate->since = now;
    rate->answers = 0;
  }
  if (rate->answers >= limit) return false;
  rate->answers++;
  return true;
}

/* The entry of an address: its own, or one whose second is over. Null: all are in use, by as many other addresses. */
static usmp_discovery_rate_t *rate_of(usmp_discovery_responder_t *responder, const uint8_t ip[4], uint32_t now)
{
  usmp_discovery_rate_t *unused = NULL;

  for (size_t i = 0; i < USMP_DISCOVERY_RATE_ENTRIES; i++) {
    usmp_discovery_rate_t *rate = &responder->rates[i];
    if (rate->answers > 0 && memcmp(rate->ip, ip, sizeof rate->ip) == 0) return rate;
    if (is_over(rate, now)) unused = rate;
  }
  if (!unused) return NULL;
  memcpy(unused->ip, ip, sizeof unused->ip);
  unused->answers = 0;
  return unused;
}

size_t usmp_discovery_respond(usmp_discovery_responder_t *responder, const usmp_discovery_address_t *from, const uint8_t *bytes,
                              size_t len, uint32_t now, uint8_t answer[USMP_DISCOVERY_ANSWER_MAX])
{
  if (!(usmp_discovery_read_query(bytes, len) & responder->offer.role) || !usmp_discovery_is_near(from->ip)) return 0;
  usmp_discovery_rate_t *rate = rate_of(responder, from->ip, now);
  if (!rate || !allows(rate, USMP_DISCOVERY_RATE, now) || !allows(&responder->all, USMP_DISCOVERY_RATE_ALL, now)) return 0;
  int written = usmp_discovery_write_answer(answer, bytes + USMP_DISCOVERY_NONCE_OFFSET, &responder->offer);
  return written < 0 ? 0 : (size_t)written; /* the application changed its offer to one that cannot be written */
}
