/* Whatever comes as a datagram, to a responder and to a searcher: what is taken is written back to the same bytes, an answer is
   shorter than its query, and memory keeps its bounds. */
#include <assert.h>
#include <string.h>

#include "usmp_discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The nonce of every query, so that an input can be an answer. */
static int no_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  memset(out, 'n', len);
  return 0;
}

static void ask(usmp_discovery_responder_t *responder, const usmp_discovery_address_t *from, const uint8_t *bytes, size_t len,
                uint32_t now)
{
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];
  usmp_discovery_offer_t offer;

  size_t answer_len = usmp_discovery_respond(responder, from, bytes, len, now, answer);
  assert(answer_len < len || answer_len == 0);
  if (answer_len > 0) assert(usmp_discovery_read_answer(answer, answer_len, &offer) == 0);
}

static void answer(usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from, const uint8_t *bytes, size_t len,
                   uint32_t now)
{
  uint8_t again[USMP_DISCOVERY_ANSWER_MAX];

  int index = usmp_discovery_note_answer(searcher, from, bytes, len, now);
  assert(searcher->count <= USMP_DISCOVERY_MAX_FOUND && index < (int)searcher->count);
  if (index < 0) return;
  int written = usmp_discovery_write_answer(again, bytes + USMP_DISCOVERY_NONCE_OFFSET, &searcher->found[index].offer);
  assert(written >= 0 && (size_t)written == len && memcmp(again, bytes, len) == 0);
}

/* Datagrams behind each other: an address byte, a length byte, the bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const usmp_discovery_offer_t offer = {.role = USMP_DISCOVERY_DEVICE, .carrier_count = 1, .carriers = {{USMP_CARRIER_UDP, 1}}};
  const usmp_discovery_wish_t wish = {.roles = 3, .random = no_random};
  uint8_t query[USMP_DISCOVERY_QUERY_SIZE];
  usmp_discovery_responder_t responder;
  usmp_discovery_searcher_t searcher;

  assert(usmp_discovery_init_responder(&responder, &offer) == 0);
  assert(usmp_discovery_init_searcher(&searcher, &wish, 0) == 0);
  for (uint32_t now = 0; size >= 2; now += 100) {
    usmp_discovery_address_t from = {{10, 0, 0, data[0]}, 9001};
    size_t len = data[1] <= size - 2 ? data[1] : size - 2;
    (void)usmp_discovery_query_due(&searcher, now, query);
    ask(&responder, &from, data + 2, len, now);
    answer(&searcher, &from, data + 2, len, now);
    data += 2 + len;
    size -= 2 + len;
  }
  return 0;
}
