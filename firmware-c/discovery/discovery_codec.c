#include <string.h>

#include "usmp_discovery.h"

#define VERSION 1
#define ROLES_AT (USMP_DISCOVERY_NONCE_OFFSET + USMP_DISCOVERY_NONCE_SIZE)
#define HEAD_SIZE ROLES_AT
#define ALL_ROLES (USMP_DISCOVERY_GATEWAY | USMP_DISCOVERY_DEVICE)
#define JOIN_OPEN 1u
#define CARRIER_SIZE 3

static const uint8_t query_head[] = {'U', 'S', 'M', 'P', 'Q', VERSION};
static const uint8_t answer_head[] = {'U', 'S', 'M', 'P', 'A', VERSION};

static bool begins(const uint8_t *bytes, size_t len, const uint8_t head[USMP_DISCOVERY_NONCE_OFFSET])
{
  return len >= HEAD_SIZE && memcmp(bytes, head, USMP_DISCOVERY_NONCE_OFFSET) == 0;
}

/* ---- query ---- */

int usmp_discovery_write_query(uint8_t query[USMP_DISCOVERY_QUERY_SIZE], const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE],
                               unsigned wanted)
{
  if (wanted == 0 || wanted > ALL_ROLES) return USMP_ERR_INVALID_ARGUMENT;
  memset(query, 0, USMP_DISCOVERY_QUERY_SIZE);
  memcpy(query, query_head, sizeof query_head);
  memcpy(query + USMP_DISCOVERY_NONCE_OFFSET, nonce, USMP_DISCOVERY_NONCE_SIZE);
  query[ROLES_AT] = (uint8_t)wanted;
  return USMP_OK;
}

unsigned usmp_discovery_read_query(const uint8_t *bytes, size_t len)
{
  if (len != USMP_DISCOVERY_QUERY_SIZE || !begins(bytes, len, query_head) || bytes[ROLES_AT] > ALL_ROLES) return 0;
  for (size_t i = ROLES_AT + 1; i < len; i++) {
    if (bytes[i] != 0) return 0;
  }
  return bytes[ROLES_AT];
}

/* ---- what an offer may say ---- */

static bool is_letter_or_digit(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_of(const char *text, const char *others)
{
  for (; *text; text++) {
    if (!is_letter_or_digit(*text) && !strchr(others, *text)) return false;
  }
  return true;
}

/* False: there is no zero within the room. */
static bool ends(const char *text, size_t room)
{
  return memchr(text, 0, room) != NULL;
}

static bool texts_are_good(const usmp_discovery_offer_t *offer)
{
  return ends(offer->site, sizeof offer->site) && ends(offer->path, sizeof offer->path) && is_of(offer->site, "_-") &&
         is_of(offer->path, "-._~/") && (offer->path[0] == 0 || offer->path[0] == '/');
}

static bool carriers_are_good(const usmp_discovery_offer_t *offer)
{
  uint8_t last = 0;

  if (offer->carrier_count > USMP_DISCOVERY_MAX_CARRIERS) return false;
  for (size_t i = 0; i < offer->carrier_count; i++) {
    const usmp_discovery_carrier_t *carrier = &offer->carriers[i];
    if (carrier->kind <= last || carrier->kind > USMP_CARRIER_WSS || carrier->port == 0) return false;
    last = carrier->kind;
  }
  return true;
}

bool usmp_discovery_is_good(const usmp_discovery_offer_t *offer)
{
  if (!texts_are_good(offer) || !carriers_are_good(offer)) return false;
  if (offer->role == USMP_DISCOVERY_DEVICE) return !offer->join_open && offer->site[0] == 0;
  return offer->role == USMP_DISCOVERY_GATEWAY && !offer->has_device_id;
}

/* ---- answer ---- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
  *at = (uint8_t)len;
  memcpy(at + 1, bytes, len);
  return at + 1 + len;
}

int usmp_discovery_write_answer(uint8_t answer[USMP_DISCOVERY_ANSWER_MAX], const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE],
                                const usmp_discovery_offer_t *offer)
{
  uint8_t *at = answer + HEAD_SIZE;

  if (!usmp_discovery_is_good(offer)) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(answer, answer_head, sizeof answer_head);
  memcpy(answer + USMP_DISCOVERY_NONCE_OFFSET, nonce, USMP_DISCOVERY_NONCE_SIZE);
  *at++ = offer->role;
  *at++ = offer->join_open ? JOIN_OPEN : 0;
  memcpy(at, offer->instance, sizeof offer->instance);
  at += sizeof offer->instance;
  *at++ = offer->carrier_count;
  for (size_t i = 0; i < offer->carrier_count; i++, at += CARRIER_SIZE) {
    at[0] = offer->carriers[i].kind;
    usmp_store16(at + 1, offer->carriers[i].port);
  }
  at = put(at, offer->site, strlen(offer->site));
  at = put(at, offer->path, strlen(offer->path));
  at = put(at, offer->device_id, offer->has_device_id ? sizeof offer->device_id : 0);
  return (int)(at - answer);
}

/* What is left to read. A look beyond the end gives zeros and leaves `good` false. */
typedef struct reader {
  const uint8_t *at;
  size_t left;
  bool good;
} reader_t;

static void take(reader_t *in, void *out, size_t len)
{
  if (len > in->left) {
    in->good = false;
    memset(out, 0, len);
    return;
  }
  memcpy(out, in->at, len);
  in->at += len;
  in->left -= len;
}

static uint8_t take_byte(reader_t *in)
{
  uint8_t byte;
  take(in, &byte, 1);
  return byte;
}

/* A length of at most `max`, and so many bytes. Returns the length. */
static size_t take_with_length(reader_t *in, void *out, size_t max)
{
  size_t len = take_byte(in);
  if (len > max) in->good = false;
  if (!in->good) return 0;
  take(in, out, len);
  return len;
}

/* A text has no zero inside. */
static void take_text(reader_t *in, char *out, size_t max)
{
  size_t len = take_with_length(in, out, max);
  if (memchr(out, 0, len)) in->good = false;
}

static void take_carriers(reader_t *in, usmp_discovery_offer_t *offer)
{
  offer->carrier_count = take_byte(in);
  if (offer->carrier_count > USMP_DISCOVERY_MAX_CARRIERS) {
    in->good = false;
    return;
  }
  for (size_t i = 0; i < offer->carrier_count; i++) {
    uint8_t port[2];
    offer->carriers[i].kind = take_byte(in);
    take(in, port, sizeof port);
    offer->carriers[i].port = usmp_load16(port);
  }
}

int usmp_discovery_read_answer(const uint8_t *bytes, size_t len, usmp_discovery_offer_t *offer)
{
  memset(offer, 0, sizeof *offer);
  if (!begins(bytes, len, answer_head)) return USMP_ERR_BAD_PAYLOAD;
  reader_t in = {bytes + HEAD_SIZE, len - HEAD_SIZE, true};

  offer->role = take_byte(&in);
  uint8_t flags = take_byte(&in);
  offer->join_open = flags == JOIN_OPEN;
  take(&in, offer->instance, sizeof offer->instance);
  take_carriers(&in, offer);
  take_text(&in, offer->site, USMP_DISCOVERY_MAX_SITE);
  take_text(&in, offer->path, USMP_DISCOVERY_MAX_PATH);
  size_t id_len = take_with_length(&in, offer->device_id, sizeof offer->device_id);
  offer->has_device_id = id_len > 0;
  bool whole = in.good && in.left == 0 && flags <= JOIN_OPEN && (id_len == 0 || id_len == sizeof offer->device_id);
  return whole && usmp_discovery_is_good(offer) ? USMP_OK : USMP_ERR_BAD_PAYLOAD;
}

/* ---- the rest ---- */

int usmp_discovery_make_instance(usmp_random_fn random, void *context, uint8_t instance[USMP_DISCOVERY_INSTANCE_SIZE])
{
  return random(context, instance, USMP_DISCOVERY_INSTANCE_SIZE) == 0 ? USMP_OK : USMP_ERR_RANDOM_FAILED;
}

uint16_t usmp_discovery_port_of(const usmp_discovery_offer_t *offer, usmp_carrier_t kind)
{
  for (size_t i = 0; i < offer->carrier_count; i++) {
    if (offer->carriers[i].kind == kind) return offer->carriers[i].port;
  }
  return 0;
}
