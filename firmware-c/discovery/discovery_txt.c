#include <string.h>

#include "usmp_discovery.h"

#define MAX_RECORD 200u /* bytes, each entry with its length byte */
#define MAX_ENTRIES 32u

/* In the order of their numbers. */
static const char *const carrier_names[] = {"tcp", "udp", "ws", "mqtt", "wss"};
static const char digits[] = "0123456789abcdef";

/* ---- writing ---- */

static char *put_text(char *at, const char *text)
{
  while (*text) *at++ = *text++;
  *at = 0;
  return at;
}

static char *put_number(char *at, uint16_t number)
{
  uint16_t power = 10000;

  while (power > 1 && number < power) power /= 10;
  for (; power > 0; power /= 10) *at++ = (char)('0' + number / power % 10);
  *at = 0;
  return at;
}

static char *put_hex(char *at, const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    *at++ = digits[bytes[i] >> 4];
    *at++ = digits[bytes[i] & 15];
  }
  *at = 0;
  return at;
}

static void put_carriers(char *at, const usmp_discovery_offer_t *offer)
{
  for (size_t i = 0; i < offer->carrier_count; i++) {
    if (i > 0) at = put_text(at, ",");
    at = put_text(put_text(at, carrier_names[offer->carriers[i].kind - 1]), ":");
    at = put_number(at, offer->carriers[i].port);
  }
}

/* The value of the next item, to be filled. */
static char *next_item(usmp_discovery_txt_t *items, size_t *count, const char *key)
{
  items[*count].key = key;
  return items[(*count)++].value;
}

size_t usmp_discovery_write_txt(const usmp_discovery_offer_t *offer, usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT])
{
  size_t count = 0;
  bool is_gateway = offer->role == USMP_DISCOVERY_GATEWAY;

  if (!usmp_discovery_is_good(offer)) return 0;
  put_number(next_item(items, &count, "v"), USMP_WIRE_VERSION);
  put_text(next_item(items, &count, "r"), is_gateway ? "g" : "d");
  put_hex(next_item(items, &count, "n"), offer->instance, sizeof offer->instance);
  if (offer->site[0]) put_text(next_item(items, &count, "s"), offer->site);
  if (offer->carrier_count > 0) put_carriers(next_item(items, &count, "t"), offer);
  if (is_gateway) put_text(next_item(items, &count, "j"), offer->join_open ? "1" : "0");
  if (offer->path[0]) put_text(next_item(items, &count, "w"), offer->path);
  if (offer->has_device_id) put_hex(next_item(items, &count, "id"), offer->device_id, sizeof offer->device_id);
  return count;
}

void usmp_discovery_write_instance_name(const usmp_discovery_offer_t *offer, char name[USMP_DISCOVERY_INSTANCE_NAME])
{
  put_hex(put_text(name, "usmp-"), offer->instance, sizeof offer->instance);
}

/* ---- reading ---- */

typedef struct value {
  const char *at;
  size_t len;
} value_t;

static bool is(value_t value, const char *text)
{
  return strlen(text) == value.len && memcmp(value.at, text, value.len) == 0;
}

static bool read_text(value_t value, char *out, size_t room)
{
  if (value.len >= room || memchr(value.at, 0, value.len)) return false;
  memcpy(out, value.at, value.len);
  out[value.len] = 0;
  return true;
}

/* Lower case only. */
static bool read_hex(value_t value, uint8_t *out, size_t len)
{
  if (value.len != 2 * len) return false;
  for (size_t i = 0; i < value.len; i++) {
    const char *digit = value.at[i] ? strchr(digits, value.at[i]) : NULL;
    if (!digit) return false;
    out[i / 2] = (uint8_t)(out[i / 2] << 4 | (uint8_t)(digit - digits));
  }
  return true;
}

/* 1 to 65535, without zeros in front; 0: it is none. */
static uint16_t read_port(value_t value)
{
  uint32_t port = 0;

  if (value.len == 0 || value.len > 5 || value.at[0] == '0') return 0;
  for (size_t i = 0; i < value.len; i++) {
    if (value.at[i] < '0' || value.at[i] > '9') return 0;
    port = port * 10 + (uint32_t)(value.at[i] - '0');
  }
  return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* What stands before the first `mark`, which is taken off with it. */
static value_t split(value_t *rest, char mark)
{
  const char *at = rest->len > 0 ? memchr(rest->at, mark, rest->len) : NULL;
  value_t head = {rest->at, at ? (size_t)(at - rest->at) : rest->len};
  size_t taken = head.len + (at ? 1 : 0);

  rest->at += taken;
  rest->len -= taken;
  return head;
}

/* "udp:9000", or "udp" with the port of the SRV record. */
static bool read_carrier(value_t text, uint16_t own_port, usmp_discovery_carrier_t *out)
{
  bool has_port = text.len > 0 && memchr(text.at, ':', text.len);
  value_t name = split(&text, ':');

  out->kind = 0;
  for (uint8_t i = 0; i < sizeof carrier_names / sizeof *carrier_names; i++) {
    if (is(name, carrier_names[i])) out->kind = (uint8_t)(i + 1);
  }
  out->port = has_port ? read_port(text) : own_port;
  return out->kind != 0 && out->port != 0;
}

static bool read_carriers(value_t list, uint16_t own_port, usmp_discovery_offer_t *offer)
{
  while (list.len > 0) {
    if (offer->carrier_count == USMP_DISCOVERY_MAX_CARRIERS) return false;
    bool last = !memchr(list.at, ',', list.len);
    if (!read_carrier(split(&list, ','), own_port, &offer->carriers[offer->carrier_count++])) return false;
    if (!last && list.len == 0) return false; /* a comma at the end */
  }
  return offer->carrier_count > 0;
}

static bool read_role(value_t value, usmp_discovery_offer_t *offer)
{
  offer->role = is(value, "g") ? USMP_DISCOVERY_GATEWAY : USMP_DISCOVERY_DEVICE;
  return is(value, "g") || is(value, "d");
}

/* The number of a key, which is its bit in `seen`; less than zero: not one of ours. */
static int key_number(value_t key)
{
  static const char *const keys[USMP_DISCOVERY_MAX_TXT] = {"v", "r", "n", "s", "t", "j", "w", "id"};
  for (int i = 0; i < USMP_DISCOVERY_MAX_TXT; i++) {
    if (is(key, keys[i])) return i;
  }
  return -1;
}

static bool read_item(usmp_discovery_txt_reader_t *reader, int key, value_t value)
{
  usmp_discovery_offer_t *offer = &reader->offer;

  switch (key) {
    case 0: return is(value, "2");
    case 1: return read_role(value, offer);
    case 2: return read_hex(value, offer->instance, sizeof offer->instance);
    case 3: return read_text(value, offer->site, sizeof offer->site);
    case 4: return read_carriers(value, reader->port, offer);
    case 5: return (offer->join_open = is(value, "1")) || is(value, "0");
    case 6: return read_text(value, offer->path, sizeof offer->path);
    default: return offer->has_device_id = read_hex(value, offer->device_id, sizeof offer->device_id);
  }
}

void usmp_discovery_begin_txt(usmp_discovery_txt_reader_t *reader, uint16_t port)
{
  memset(reader, 0, sizeof *reader);
  reader->good = true;
  reader->port = port;
}

static bool is_printable(value_t value)
{
  for (size_t i = 0; i < value.len; i++) {
    if (value.at[i] < ' ' || value.at[i] > '~') return false;
  }
  return true;
}

void usmp_discovery_read_txt(usmp_discovery_txt_reader_t *reader, const char *key, size_t key_len, const char *value,
                             size_t len)
{
  int number = key_number((value_t){key, key_len});

  reader->entries++;
  reader->size += 1 + key_len + (value ? 1 + len : 0);
  if (reader->entries > MAX_ENTRIES || reader->size > MAX_RECORD) reader->good = false;
  if (!reader->good || number < 0 || !value || !is_printable((value_t){value, len})) return;
  if (reader->seen >> number & 1u) return;
  reader->seen |= 1u << number;
  if (!read_item(reader, number, (value_t){value, len})) reader->good = false;
}

#define MUST_BE_THERE 7u /* v, r, n */

int usmp_discovery_end_txt(const usmp_discovery_txt_reader_t *reader, usmp_discovery_offer_t *offer)
{
  bool whole = reader->good && (reader->seen & MUST_BE_THERE) == MUST_BE_THERE;
  if (!whole || !usmp_discovery_is_good(&reader->offer)) return USMP_ERR_BAD_PAYLOAD;
  *offer = reader->offer;
  return USMP_OK;
}
