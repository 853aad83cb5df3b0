#include "ws_link.h"

#include <string.h>

#include "usmp/frame.h"

#define LENGTH_AT 8u   /* of a frame's payload, in its header (specification, section 1.1) */
#define LENGTH_SIZE 2u /* in front of each message in the ring */
#define MAX_PATH 120u
/* What a relay says (specification, section 12.1). */
#define RELAY_WAITING 0x01
#define RELAY_PEER 0x02

/* ---- addresses ---- */

static int parse_port(const char *text, size_t len)
{
  int port = 0;

  if (len == 0 || len > 5) return -1;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    port = 10 * port + (text[i] - '0');
  }
  return port > 0 && port <= 65535 ? port : -1;
}

/* It goes into a line of HTTP: no space, no control character; and a fragment is nothing for a server. */
static bool is_path(const char *path, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    if (path[i] <= ' ' || path[i] > '~' || path[i] == '#') return false;
  }
  return len <= MAX_PATH;
}

static bool is_host(const char *host, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    if (host[i] <= ' ' || host[i] > '~' || strchr("/?#@[]\\\"", host[i])) return false;
  }
  return len > 0 && len < USMP_HOST_MAX;
}

/* Behind the host: nothing, or ":PORT". */
static int read_port(const char *text, size_t len, bool tls)
{
  if (len == 0) return tls ? 443 : 80;
  return text[0] == ':' ? parse_port(text + 1, len - 1) : -1;
}

int usmp_ws_parse_url(const char *url, usmp_ws_address_t *out)
{
  memset(out, 0, sizeof *out);
  out->tls = strncmp(url, "wss://", 6) == 0;
  if (!out->tls && strncmp(url, "ws://", 5) != 0) return USMP_ERR_INVALID_ARGUMENT;
  const char *host = url + (out->tls ? 6 : 5);
  const char *path = host + strcspn(host, "/?#");
  size_t path_len = strlen(path);
  bool bracketed = *host == '[';
  if (bracketed) host++;
  size_t len = strcspn(host, bracketed ? "]" : ":/?#");
  const char *rest = host + len + (bracketed && host[len] == ']');
  if (!is_host(host, len) || !is_path(path, path_len) || rest > path || (bracketed && host[len] != ']')) {
    return USMP_ERR_INVALID_ARGUMENT;
  }
  memcpy(out->host, host, len);
  char *at = out->path;
  if (*path != '/') *at++ = '/';
  memcpy(at, path, path_len);
  out->port = read_port(rest, (size_t)(path - rest), out->tls);
  return out->port > 0 ? USMP_OK : USMP_ERR_INVALID_ARGUMENT;
}

/* ---- messages that came ---- */

void usmp_ws_link_reset(usmp_ws_link_t *link, usmp_ws_phase_t phase)
{
  memset(link, 0, sizeof *link);
  link->phase = (uint8_t)phase;
}

/* A single byte each, and PEER is the last: behind it come frames. */
static int relay_said(usmp_ws_link_t *link, const uint8_t *message, size_t len)
{
  if (len != 1) return USMP_ERR_UNEXPECTED_PACKET;
  if (message[0] == RELAY_PEER) {
    link->phase = USMP_WS_FRAMES;
    return USMP_OK;
  }
  if (message[0] != RELAY_WAITING) return USMP_ERR_UNEXPECTED_PACKET;
  link->phase = USMP_WS_WAITING;
  return USMP_OK;
}

/* What else is wrong with a frame is found, and named, by the engine. */
static int check_size(const uint8_t *message, size_t len)
{
  usmp_frame_t frame;
  int err = usmp_frame_decode(USMP_WIRE_VERSION, message, len, &frame);

  return err == USMP_ERR_INCOMPLETE || err == USMP_ERR_TRAILING_BYTES ? err : USMP_OK;
}

static size_t room(const usmp_ws_link_t *link)
{
  return sizeof link->ring - link->used;
}

static void put(usmp_ws_link_t *link, const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++) link->ring[((size_t)link->first + link->used + i) % sizeof link->ring] = bytes[i];
  link->used = (uint16_t)(link->used + len);
}

static void get(usmp_ws_link_t *link, uint8_t *out, size_t len)
{
  for (size_t i = 0; i < len; i++) out[i] = link->ring[((size_t)link->first + i) % sizeof link->ring];
  link->first = (uint16_t)(((size_t)link->first + len) % sizeof link->ring);
  link->used = (uint16_t)(link->used - len);
}

static int message_came(usmp_ws_link_t *link)
{
  uint8_t length[LENGTH_SIZE];
  size_t len = link->partial;

  link->partial = 0;
  if (link->phase != USMP_WS_FRAMES) return relay_said(link, link->message, len);
  int err = check_size(link->message, len);
  if (err != USMP_OK) return err;
  if (room(link) < LENGTH_SIZE + len) return USMP_ERR_QUEUE_FULL;
  usmp_store16(length, (uint16_t)len);
  put(link, length, sizeof length);
  put(link, link->message, len);
  return USMP_OK;
}

int usmp_ws_link_receive(usmp_ws_link_t *link, const usmp_ws_part_t *part)
{
  if (part->first && !part->binary) return USMP_ERR_BAD_MAGIC;
  if (part->first) link->partial = 0;
  if (part->len > sizeof link->message - link->partial) return USMP_ERR_TRAILING_BYTES;
  if (part->len > 0) memcpy(link->message + link->partial, part->bytes, part->len);
  link->partial = (uint16_t)(link->partial + part->len);
  return part->last ? message_came(link) : USMP_OK;
}

bool usmp_ws_link_has_room(const usmp_ws_link_t *link)
{
  return room(link) >= LENGTH_SIZE + USMP_MAX_FRAME_SIZE + USMP_WS_READ_AHEAD;
}

size_t usmp_ws_link_take(usmp_ws_link_t *link, uint8_t *out, size_t max_len)
{
  uint8_t length[LENGTH_SIZE];

  if (link->used == 0) return 0;
  if (link->left == 0) {
    get(link, length, sizeof length);
    link->left = usmp_load16(length);
  }
  size_t len = link->left < max_len ? link->left : max_len;
  get(link, out, len);
  link->left = (uint16_t)(link->left - len);
  return len;
}

/* ---- frames that leave ---- */

/* How long the frame is, as far as its header tells by now. */
static size_t size_of(const usmp_ws_link_t *link)
{
  if (link->tx_len < USMP_HEADER_SIZE) return USMP_HEADER_SIZE;
  size_t len = USMP_HEADER_SIZE + (size_t)usmp_load16(link->tx + LENGTH_AT);
  return len < sizeof link->tx ? len : sizeof link->tx;
}

size_t usmp_ws_link_collect(usmp_ws_link_t *link, const uint8_t *data, size_t len)
{
  size_t taken = 0;

  while (taken < len && !usmp_ws_link_is_whole(link)) {
    size_t missing = size_of(link) - link->tx_len;
    size_t part = missing < len - taken ? missing : len - taken;
    memcpy(link->tx + link->tx_len, data + taken, part);
    link->tx_len = (uint16_t)(link->tx_len + part);
    taken += part;
  }
  return taken;
}

bool usmp_ws_link_is_whole(const usmp_ws_link_t *link)
{
  return link->tx_len >= USMP_HEADER_SIZE && link->tx_len == size_of(link);
}
