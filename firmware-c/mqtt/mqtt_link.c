#include "mqtt_link.h"

#include <string.h>

#define MIN_DATAGRAM 7u              /* an acknowledgement */
#define MIN_ATTEMPT_GAP_MS 1000u     /* what a liar at the broker can bring a device to */
#define GATEWAY_DOWN_PAUSE_MS 60000u /* it says that it is down; it may have lied */
#define SIGN_OF_LIFE_MS 5000u
#define MAX_PRESENCE 128u

/* ---- the broker's address ---- */

static int parse_port(const char *text)
{
  int port = 0;

  for (; *text >= '0' && *text <= '9' && port <= 65535; text++) port = 10 * port + (*text - '0');
  return *text == 0 && port > 0 && port <= 65535 ? port : -1;
}

int usmp_mqtt_parse_url(const char *url, usmp_mqtt_address_t *out)
{
  memset(out, 0, sizeof *out);
  out->tls = strncmp(url, "mqtts://", 8) == 0;
  if (!out->tls && strncmp(url, "mqtt://", 7) != 0) return USMP_ERR_INVALID_ARGUMENT;
  const char *host = url + (out->tls ? 8 : 7);
  bool bracketed = *host == '[';
  if (bracketed) host++;
  size_t len = strcspn(host, bracketed ? "]" : ":");
  const char *rest = host + len;
  if (bracketed && *rest++ != ']') return USMP_ERR_INVALID_ARGUMENT;
  if (len == 0 || len >= sizeof out->host || memchr(host, '/', len) || memchr(host, '@', len)) return USMP_ERR_INVALID_ARGUMENT;
  if (*rest != 0 && *rest != ':') return USMP_ERR_INVALID_ARGUMENT;
  memcpy(out->host, host, len);
  out->port = *rest == ':' ? parse_port(rest + 1) : out->tls ? 8883 : 1883;
  return out->port > 0 ? USMP_OK : USMP_ERR_INVALID_ARGUMENT;
}

/* ---- topics ---- */

static bool is_site(const char *site)
{
  size_t len = strlen(site);

  if (len == 0 || len > USMP_MQTT_SITE_MAX) return false;
  for (size_t i = 0; i < len; i++) {
    char c = site[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!plain) return false;
  }
  return true;
}

static char *put_text(char *at, const char *text)
{
  while (*text) *at++ = *text++;
  *at = 0;
  return at;
}

static char *put_hex(char *at, const uint8_t *bytes, size_t len)
{
  static const char digits[] = "0123456789abcdef";

  for (size_t i = 0; i < len; i++) {
    *at++ = digits[bytes[i] >> 4];
    *at++ = digits[bytes[i] & 15];
  }
  *at = 0;
  return at;
}

int usmp_mqtt_link_init(usmp_mqtt_link_t *link, const char *site, const uint8_t device_id[USMP_DEVICE_ID_LEN],
                        const uint8_t random[2])
{
  static const char *const ends[] = {"/up", "/down", "/lwt"};

  memset(link, 0, sizeof *link);
  if (!site || !is_site(site)) return USMP_ERR_INVALID_ARGUMENT;
  char *topics[] = {link->up, link->down, link->lwt};
  for (int i = 0; i < 3; i++) {
    char *at = put_text(put_text(put_text(topics[i], "usmp/"), site), "/");
    at = put_hex(at, device_id + USMP_DEVICE_ID_LEN - 1, 1);
    at = put_hex(put_text(at, "/"), device_id, USMP_DEVICE_ID_LEN);
    put_text(at, ends[i]);
  }
  put_text(put_text(put_text(link->presence, "usmp/"), site), "/gw/+");
  char *at = put_hex(put_text(link->client_id, "usmp-"), device_id, USMP_DEVICE_ID_LEN);
  put_hex(put_text(at, "-"), random, 2);
  return USMP_OK;
}

/* ---- presence of gateways: {"v":1,"up":true,"boot":"00c0ffee"}, {"up":false} ---- */

/* What stands behind `"name":` in a flat object, or null. No more JSON than that: it is a hint, and a wrong one costs a PING. */
static const char *member(const char *text, const char *name)
{
  for (const char *at = text; (at = strchr(at, '"')) != NULL; at++) {
    size_t len = strlen(name);
    if (strncmp(at + 1, name, len) != 0 || at[1 + len] != '"') continue;
    const char *value = at + len + 2;
    value += strspn(value, " \t\r\n");
    if (*value++ != ':') continue;
    return value + strspn(value, " \t\r\n");
  }
  return NULL;
}

static bool read_boot(const char *value, uint32_t *boot)
{
  *boot = 0;
  if (!value || *value++ != '"') return false;
  for (int i = 0; i < 8; i++) {
    char c = value[i];
    uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 16u;
    if (digit > 15) return false;
    *boot = *boot << 4 | digit;
  }
  return value[8] == '"';
}

static uint32_t hash(const char *text, size_t len)
{
  uint32_t h = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < len; i++) h = (h ^ (uint8_t)text[i]) * 16777619u;
  return h;
}

static usmp_mqtt_gateway_t *find_gateway(usmp_mqtt_link_t *link, uint32_t node)
{
  for (unsigned i = 0; i < link->gateway_count; i++) {
    if (link->gateways[i].node == node) return &link->gateways[i];
  }
  return NULL;
}

/* With all places taken, the longest known gives way. */
static usmp_mqtt_gateway_t *add_gateway(usmp_mqtt_link_t *link, uint32_t node)
{
  unsigned place = link->gateway_count;

  if (place < USMP_MQTT_GATEWAYS) {
    link->gateway_count++;
  } else {
    place = link->gateway_next;
    link->gateway_next = (uint8_t)((place + 1) % USMP_MQTT_GATEWAYS);
  }
  link->gateways[place] = (usmp_mqtt_gateway_t){.node = node};
  return &link->gateways[place];
}

static bool any_gateway_up(const usmp_mqtt_link_t *link)
{
  for (unsigned i = 0; i < link->gateway_count; i++) {
    if (link->gateways[i].up) return true;
  }
  return false;
}

/* True when it is news that should wake somebody: a gateway was started, or started again. One more of several is none. */
static bool presence_came(usmp_mqtt_link_t *link, uint32_t node, const uint8_t *payload, size_t len, uint32_t now)
{
  char text[MAX_PRESENCE + 1];
  uint32_t boot = 0;

  if (len == 0 || len > MAX_PRESENCE || memchr(payload, 0, len)) return false;
  memcpy(text, payload, len);
  text[len] = 0;
  const char *version = member(text, "v");
  if (!version || version[0] != '1' || !strchr(" \t\r\n,}", version[1])) return false;
  const char *value = member(text, "up");
  bool up = value && strncmp(value, "true", 4) == 0;
  if (!up && (!value || strncmp(value, "false", 5) != 0)) return false;
  if (up && !read_boot(member(text, "boot"), &boot)) return false;
  usmp_mqtt_gateway_t *known = find_gateway(link, node);
  bool news = up && (known ? !known->up || known->boot != boot : !any_gateway_up(link));
  if (!known) known = add_gateway(link, node);
  known->up = up;
  if (up) known->boot = boot;
  link->doubted |= news;
  if (news) usmp_mqtt_link_call(link, now);
  return news;
}

/* ---- messages ---- */

static bool datagram_came(usmp_mqtt_link_t *link, const uint8_t *payload, size_t len)
{
  if (len < MIN_DATAGRAM || len > USMP_MAX_FRAME_SIZE || link->count == USMP_MQTT_SLOTS) {
    link->dropped++;
    return false;
  }
  unsigned place = (unsigned)(link->first + link->count) % USMP_MQTT_SLOTS;
  memcpy(link->slots[place].bytes, payload, len);
  link->slots[place].len = (uint16_t)len;
  link->count++;
  link->checking = false;
  return true;
}

bool usmp_mqtt_link_message(usmp_mqtt_link_t *link, const char *topic, size_t topic_len, const uint8_t *payload, size_t len,
                            bool retained, uint32_t now)
{
  size_t prefix = strlen(link->presence) - 1; /* without the '+' */

  if (topic_len == strlen(link->down) && memcmp(topic, link->down, topic_len) == 0) {
    if (retained) {
      link->dropped++;
      return false;
    }
    if (len > 0) return datagram_came(link, payload, len);
    link->hinted = true;
    return true;
  }
  if (topic_len <= prefix || memcmp(topic, link->presence, prefix) != 0) return false;
  return presence_came(link, hash(topic + prefix, topic_len - prefix), payload, len, now);
}

size_t usmp_mqtt_link_take(usmp_mqtt_link_t *link, uint8_t *out, size_t max_len)
{
  if (link->count == 0) return 0;
  size_t len = link->slots[link->first].len;
  if (len <= max_len) {
    memcpy(out, link->slots[link->first].bytes, len);
  } else {
    len = 0;
    link->dropped++;
  }
  link->first = (uint8_t)((link->first + 1) % USMP_MQTT_SLOTS);
  link->count--;
  return len;
}

/* ---- when to try, and when to ask ---- */

void usmp_mqtt_link_attempt(usmp_mqtt_link_t *link, uint32_t now)
{
  link->first = link->count = 0;
  link->hinted = link->called = link->doubted = link->checking = false;
  link->attempted_at = now;
}

void usmp_mqtt_link_call(usmp_mqtt_link_t *link, uint32_t now)
{
  link->called = true;
  link->called_at = now;
}

void usmp_mqtt_link_pause(usmp_mqtt_link_t *link, uint32_t pause_ms, uint32_t jitter_ms, uint32_t now)
{
  link->paused_at = now;
  link->pause_ms = pause_ms;
  link->jitter_ms = jitter_ms;
}

uint32_t usmp_mqtt_link_due_in(const usmp_mqtt_link_t *link, uint32_t now)
{
  uint32_t waited = now - link->paused_at;
  uint32_t tried = now - link->attempted_at;
  uint32_t pause = link->pause_ms;

  if (link->gateway_count > 0 && !any_gateway_up(link) && pause < GATEWAY_DOWN_PAUSE_MS) pause = GATEWAY_DOWN_PAUSE_MS;
  uint32_t left = pause > waited ? pause - waited : 0;
  if (link->called) {
    uint32_t since = now - link->called_at;
    uint32_t jitter = link->jitter_ms > since ? link->jitter_ms - since : 0;
    if (jitter < left) left = jitter;
  }
  if (link->hinted) left = 0;
  if (tried < MIN_ATTEMPT_GAP_MS && left < MIN_ATTEMPT_GAP_MS - tried) left = MIN_ATTEMPT_GAP_MS - tried;
  return left;
}

bool usmp_mqtt_link_check(usmp_mqtt_link_t *link, uint32_t now)
{
  link->hinted = false; /* who has a session need not try */
  if (!link->doubted || link->checking) return false;
  link->doubted = false;
  if (link->checked && now - link->checked_at < SIGN_OF_LIFE_MS) return false;
  link->checked = link->checking = true;
  link->checked_at = now;
  return true;
}

bool usmp_mqtt_link_is_silent(const usmp_mqtt_link_t *link, uint32_t now)
{
  return link->checking && now - link->checked_at >= SIGN_OF_LIFE_MS;
}
