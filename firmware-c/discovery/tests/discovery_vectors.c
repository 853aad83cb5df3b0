/* vectors/discovery.json, as tools/vectors_to_c.py writes it: "key value" lines, an empty line behind each case. */
#include "discovery_vectors.h"

#include <stdlib.h>
#include <string.h>

#include "usmp_discovery.h"
#include "vectors.h"

#define MAX_BYTES 512

typedef struct bytes {
  uint8_t at[MAX_BYTES];
  size_t len;
} bytes_t;

/* The value of a key in the case that begins at `lines`; null: there is none. It ends with the line. */
static const char *value_of(const char *lines, const char *key)
{
  size_t len = strlen(key);
  for (const char *line = lines; *line != '\n' && *line; line = strchr(line, '\n') + 1) {
    if (strncmp(line, key, len) == 0 && line[len] == ' ') return line + len + 1;
  }
  return NULL;
}

static bool is(const char *lines, const char *key, const char *expected)
{
  const char *value = value_of(lines, key);
  return value && strncmp(value, expected, strlen(expected)) == 0 && value[strlen(expected)] == '\n';
}

static unsigned number(const char *lines, const char *key)
{
  const char *value = value_of(lines, key);
  return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

static unsigned digit(char c)
{
  return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static bytes_t hex(const char *lines, const char *key)
{
  bytes_t out = {.len = 0};
  const char *value = value_of(lines, key);
  for (; value && *value != '\n' && out.len < MAX_BYTES; value += 2) {
    out.at[out.len++] = (uint8_t)(digit(value[0]) << 4 | digit(value[1]));
  }
  return out;
}

static void copy_text(const char *lines, const char *key, char *out, size_t room)
{
  const char *value = value_of(lines, key);
  size_t len = value ? strcspn(value, "\n") : 0;
  if (len >= room) len = room - 1;
  if (value) memcpy(out, value, len);
  out[len] = 0;
}

static uint8_t carrier_kind(const char *lines, const char *key)
{
  static const char *const names[] = {"tcp", "udp", "ws", "mqtt", "wss"};
  for (uint8_t i = 0; i < 5; i++) {
    if (is(lines, key, names[i])) return (uint8_t)(i + 1);
  }
  return 0;
}

static usmp_discovery_offer_t read_offer(const char *lines)
{
  usmp_discovery_offer_t offer = {.role = is(lines, "role", "gateway") ? USMP_DISCOVERY_GATEWAY : USMP_DISCOVERY_DEVICE};
  char kind[] = "carriers.0.kind", port[] = "carriers.0.port";
  bytes_t id = hex(lines, "device_id");

  offer.join_open = number(lines, "join_open") == 1;
  memcpy(offer.instance, hex(lines, "instance").at, sizeof offer.instance);
  offer.carrier_count = (uint8_t)number(lines, "carriers.#");
  for (uint8_t i = 0; i < offer.carrier_count && i < USMP_DISCOVERY_MAX_CARRIERS; i++) {
    kind[9] = port[9] = (char)('0' + i);
    offer.carriers[i] = (usmp_discovery_carrier_t){carrier_kind(lines, kind), (uint16_t)number(lines, port)};
  }
  copy_text(lines, "site", offer.site, sizeof offer.site);
  copy_text(lines, "path", offer.path, sizeof offer.path);
  offer.has_device_id = id.len > 0;
  memcpy(offer.device_id, id.at, id.len <= sizeof offer.device_id ? id.len : 0);
  return offer;
}

static bool same_offer(const usmp_discovery_offer_t *a, const usmp_discovery_offer_t *b)
{
  for (size_t i = 0; i < USMP_DISCOVERY_MAX_CARRIERS; i++) {
    if (a->carriers[i].kind != b->carriers[i].kind || a->carriers[i].port != b->carriers[i].port) return false;
  }
  return a->role == b->role && a->join_open == b->join_open && a->carrier_count == b->carrier_count &&
         memcmp(a->instance, b->instance, sizeof a->instance) == 0 && strcmp(a->site, b->site) == 0 &&
         strcmp(a->path, b->path) == 0 && a->has_device_id == b->has_device_id &&
         memcmp(a->device_id, b->device_id, sizeof a->device_id) == 0;
}

/* A whole buffer, so that a look beyond the end is one that a sanitizer sees. */
static unsigned read_query(const bytes_t *query)
{
  uint8_t *exact = malloc(query->len > 0 ? query->len : 1);
  if (!exact) return 0;
  memcpy(exact, query->at, query->len);
  unsigned wanted = usmp_discovery_read_query(exact, query->len);
  free(exact);
  return wanted;
}

static int read_answer(const bytes_t *answer, usmp_discovery_offer_t *offer)
{
  uint8_t *exact = malloc(answer->len > 0 ? answer->len : 1);
  if (!exact) return USMP_OK;
  memcpy(exact, answer->at, answer->len);
  int err = usmp_discovery_read_answer(exact, answer->len, offer);
  free(exact);
  return err;
}

static bool run_query(const char *lines)
{
  uint8_t written[USMP_DISCOVERY_QUERY_SIZE];
  bytes_t nonce = hex(lines, "nonce"), query = hex(lines, "query");
  unsigned wanted = number(lines, "wanted");

  return nonce.len == USMP_DISCOVERY_NONCE_SIZE && usmp_discovery_write_query(written, nonce.at, wanted) == 0 &&
         query.len == sizeof written && memcmp(written, query.at, sizeof written) == 0 && read_query(&query) == wanted;
}

static bool run_answer(const char *lines)
{
  uint8_t written[USMP_DISCOVERY_ANSWER_MAX];
  bytes_t nonce = hex(lines, "nonce"), answer = hex(lines, "answer");
  usmp_discovery_offer_t offer = read_offer(lines), read;

  int len = usmp_discovery_write_answer(written, nonce.at, &offer);
  return len > 0 && (size_t)len == answer.len && memcmp(written, answer.at, answer.len) == 0 &&
         read_answer(&answer, &read) == 0 && same_offer(&offer, &read);
}

static bool run_case(const char *lines)
{
  usmp_discovery_offer_t offer;
  bytes_t query = hex(lines, "query"), answer = hex(lines, "answer");

  if (is(lines, "op", "query")) return run_query(lines);
  if (is(lines, "op", "query_decode")) return is(lines, "result", "invalid") && read_query(&query) == 0;
  if (is(lines, "op", "answer")) return run_answer(lines);
  if (is(lines, "op", "answer_decode")) return is(lines, "result", "invalid") && read_answer(&answer, &offer) < 0;
  return false; /* an operation that this runner does not know must not pass in silence */
}

size_t run_discovery_vectors(void (*failed)(const char *id))
{
  size_t passed = 0;

  for (const char *lines = usmp_vectors; *lines;) {
    if (run_case(lines)) {
      passed++;
    } else {
      failed(value_of(lines, "id"));
    }
    const char *end = strstr(lines, "\n\n");
    lines = end ? end + 2 : lines + strlen(lines);
  }
  return passed;
}
