#include "mdns_responder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery_networks.h"

/* RFC 1035 (4.1: messages), RFC 6762 (mDNS), RFC 6763 (services). */
#define HEADER_SIZE 12
#define RESPONSE 0x84 /* of the third byte: a response, authoritative */
#define IS_RESPONSE 0x80
#define A 1
#define PTR 12
#define TXT 16
#define SRV 33
#define CLASS_IN 1
#define CACHE_FLUSH 0x8000
#define TTL_S 120u
#define MAX_NAME 256
#define MAX_MESSAGE 512

static const uint8_t group[4] = {224, 0, 0, 251};

typedef struct names {
  char service[40];
  char instance[60];
  char host[24];
} names_t;

static names_t names_of(const usmp_discovery_offer_t *offer)
{
  char own[USMP_DISCOVERY_INSTANCE_NAME];
  names_t names;

  usmp_discovery_write_instance_name(offer, own);
  snprintf(names.service, sizeof names.service, "%s._udp.local", USMP_DISCOVERY_DEVICE_SERVICE);
  snprintf(names.instance, sizeof names.instance, "%s.%s", own, names.service);
  snprintf(names.host, sizeof names.host, "%s.local", own);
  return names;
}

/* ---- reading questions ---- */

/* The name at `at` as text. Returns where the next field is; 0: it is malformed. A pointer goes back only, so this ends. */
static size_t read_name(const uint8_t *message, size_t len, size_t at, char out[MAX_NAME])
{
  size_t used = 0, next = 0, limit = len;

  while (at < limit && message[at] != 0) {
    size_t label = message[at];
    if ((label & 0xC0) == 0xC0) {
      if (at + 1 >= limit) return 0;
      if (next == 0) next = at + 2;
      limit = at;
      at = (label & 0x3F) << 8 | message[at + 1];
      if (at >= limit) return 0;
      continue;
    }
    if (label > 63 || at + 1 + label >= limit || used + label + 2 > MAX_NAME) return 0;
    if (used > 0) out[used++] = '.';
    memcpy(out + used, message + at + 1, label);
    used += label;
    at += 1 + label;
  }
  if (at >= limit) return 0;
  out[used] = 0;
  return next ? next : at + 1;
}

bool mdns_asks_for(const uint8_t *message, size_t len, const char *service, const char *instance, const char *host)
{
  char name[MAX_NAME];
  size_t at = HEADER_SIZE;

  if (len < HEADER_SIZE || (message[2] & IS_RESPONSE)) return false;
  for (unsigned questions = (unsigned)message[4] << 8 | message[5]; questions > 0; questions--) {
    at = read_name(message, len, at, name);
    if (at == 0 || at + 4 > len) return false;
    at += 4; /* type and class: all records are in every answer */
    if (strcasecmp(name, service) == 0 || strcasecmp(name, instance) == 0 || strcasecmp(name, host) == 0) return true;
  }
  return false;
}

/* ---- writing the one answer ---- */

typedef struct message {
  uint8_t at[MAX_MESSAGE];
  size_t len;
} message_t;

static void put(message_t *m, const void *bytes, size_t len)
{
  memcpy(m->at + m->len, bytes, len);
  m->len += len;
}

static void put16(message_t *m, unsigned n)
{
  const uint8_t bytes[2] = {(uint8_t)(n >> 8), (uint8_t)n};
  put(m, bytes, 2);
}

static void put_name(message_t *m, const char *name)
{
  for (;;) {
    uint8_t len = (uint8_t)strcspn(name, ".");
    put(m, &len, 1);
    put(m, name, len);
    if (len == 0) return;
    name += len;
    if (*name) name++;
  }
}

/* Returns where its length has to be written by end_record. */
static size_t begin_record(message_t *m, const char *name, unsigned type, uint32_t ttl)
{
  put_name(m, name);
  put16(m, type);
  put16(m, type == PTR ? CLASS_IN : CLASS_IN | CACHE_FLUSH);
  put16(m, ttl >> 16);
  put16(m, ttl & 0xFFFF);
  put16(m, 0);
  return m->len;
}

static void end_record(message_t *m, size_t begin)
{
  m->at[begin - 2] = (uint8_t)((m->len - begin) >> 8);
  m->at[begin - 1] = (uint8_t)(m->len - begin);
}

static void put_txt(message_t *m, const usmp_discovery_offer_t *offer)
{
  usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT];
  size_t count = usmp_discovery_write_txt(offer, items);

  for (size_t i = 0; i < count; i++) {
    char text[USMP_DISCOVERY_TXT_VALUE + 4];
    uint8_t len = (uint8_t)snprintf(text, sizeof text, "%s=%s", items[i].key, items[i].value);
    put(m, &len, 1);
    put(m, text, len);
  }
}

/* All records of the device, as it is in the network where it has the address `ip`. */
static message_t answer_of(const usmp_discovery_offer_t *offer, const uint8_t ip[4], uint32_t ttl)
{
  static const uint8_t header[HEADER_SIZE] = {0, 0, RESPONSE, 0, 0, 0, 0, 4};
  uint16_t port = usmp_discovery_port_of(offer, USMP_CARRIER_UDP);
  names_t names = names_of(offer);
  message_t m = {.len = 0};

  put(&m, header, sizeof header);
  size_t record = begin_record(&m, names.service, PTR, ttl);
  put_name(&m, names.instance);
  end_record(&m, record);
  record = begin_record(&m, names.instance, SRV, ttl);
  put16(&m, 0);
  put16(&m, 0);
  put16(&m, port ? port : USMP_DISCOVERY_NO_PORT);
  put_name(&m, names.host);
  end_record(&m, record);
  record = begin_record(&m, names.instance, TXT, ttl);
  put_txt(&m, offer);
  end_record(&m, record);
  record = begin_record(&m, names.host, A, ttl);
  put(&m, ip, 4);
  end_record(&m, record);
  return m;
}

/* ---- the socket ---- */

static void say(mdns_responder_t *responder, uint32_t ttl)
{
  usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS];
  size_t count = usmp_discovery_networks(networks);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(responder->port)};

  memcpy(&to.sin_addr, group, 4);
  for (size_t i = 0; i < count; i++) {
    message_t m = answer_of(&responder->offer, networks[i].ip, ttl);
    struct in_addr by;
    memcpy(&by, networks[i].ip, 4);
    (void)setsockopt(responder->fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by);
    (void)sendto(responder->fd, m.at, m.len, 0, (const struct sockaddr *)&to, sizeof to);
  }
}

static void join(int fd)
{
  usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS];
  size_t count = usmp_discovery_networks(networks);

  for (size_t i = 0; i < count; i++) {
    struct ip_mreq membership;
    memcpy(&membership.imr_multiaddr, group, 4);
    memcpy(&membership.imr_interface, networks[i].ip, 4);
    (void)setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership);
  }
}

int mdns_responder_open(mdns_responder_t *responder, uint16_t port, const usmp_discovery_offer_t *offer)
{
  const struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
  const int one = 1;
  const uint8_t ttl = 255;

  *responder = (mdns_responder_t){.fd = socket(AF_INET, SOCK_DGRAM, 0), .port = port, .offer = *offer};
  if (responder->fd < 0) return USMP_ERR_UNREACHABLE;
  (void)setsockopt(responder->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  (void)setsockopt(responder->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  (void)setsockopt(responder->fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
  if (bind(responder->fd, (const struct sockaddr *)&own, sizeof own) != 0) {
    close(responder->fd);
    return USMP_ERR_UNREACHABLE;
  }
  join(responder->fd);
  say(responder, TTL_S);
  return USMP_OK;
}

void mdns_responder_serve(mdns_responder_t *responder, uint32_t wait_ms)
{
  struct pollfd poller = {.fd = responder->fd, .events = POLLIN};
  names_t names = names_of(&responder->offer);
  uint8_t message[9000];
  bool asked = false;

  for (int most = 16; most > 0 && poll(&poller, 1, (int)wait_ms) > 0; most--, wait_ms = 0) {
    ssize_t len = recv(responder->fd, message, sizeof message, MSG_DONTWAIT);
    asked |= len > 0 && mdns_asks_for(message, (size_t)len, names.service, names.instance, names.host);
  }
  if (asked) say(responder, TTL_S);
}

void mdns_responder_close(mdns_responder_t *responder)
{
  say(responder, 0);
  close(responder->fd);
}
