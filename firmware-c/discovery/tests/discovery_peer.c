/* usmp-discovery-peer: one end of the tests of packages/conformance.

     usmp-discovery-peer announce device|gateway [--port N] [--mdns-port N] [--carrier KIND:PORT]... [--site NAME] [--path PATH]
                                                 [--id AABBCCDDEEFF] [--join]
     usmp-discovery-peer search device|gateway   [--port N] [--site NAME] [--host IP]

   `announce` says "announced INSTANCE" and answers until its input ends; with --mdns-port also by mDNS (devices). `search` says "found" and
   what was found, once for each, until its input ends. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery_port.h"
#include "mdns_responder.h"
#include "usmp_port.h"

#define EXIT_USAGE 2
#define LOOK_MS 50u

static const char *const kinds[] = {"tcp", "udp", "ws", "mqtt", "wss"};

typedef struct options {
  usmp_discovery_offer_t offer;
  uint16_t port;
  uint16_t mdns_port;
  usmp_discovery_address_t host;
  bool has_host;
} options_t;

static int random_bytes(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

static bool add_carrier(const char *text, usmp_discovery_offer_t *offer)
{
  const char *colon = strchr(text, ':');

  for (size_t i = 0; colon && i < sizeof kinds / sizeof *kinds && offer->carrier_count < USMP_DISCOVERY_MAX_CARRIERS; i++) {
    if (strncmp(text, kinds[i], (size_t)(colon - text)) != 0 || kinds[i][colon - text]) continue;
    offer->carriers[offer->carrier_count++] = (usmp_discovery_carrier_t){(uint8_t)(i + 1),
                                                                         (uint16_t)strtoul(colon + 1, NULL, 10)};
    return true;
  }
  return false;
}

static bool read_id(const char *text, usmp_discovery_offer_t *offer)
{
  unsigned b[USMP_DEVICE_ID_LEN];

  if (sscanf(text, "%2x%2x%2x%2x%2x%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != USMP_DEVICE_ID_LEN) return false;
  for (size_t i = 0; i < USMP_DEVICE_ID_LEN; i++) offer->device_id[i] = (uint8_t)b[i];
  return offer->has_device_id = true;
}

static bool copy_text(char *out, size_t room, const char *text)
{
  return (size_t)snprintf(out, room, "%s", text) < room;
}

static bool read_option(const char *name, const char *value, options_t *o)
{
  if (strcmp(name, "--port") == 0) return (o->port = (uint16_t)strtoul(value, NULL, 10)) > 0;
  if (strcmp(name, "--mdns-port") == 0) return (o->mdns_port = (uint16_t)strtoul(value, NULL, 10)) > 0;
  if (strcmp(name, "--carrier") == 0) return add_carrier(value, &o->offer);
  if (strcmp(name, "--site") == 0) return copy_text(o->offer.site, sizeof o->offer.site, value);
  if (strcmp(name, "--path") == 0) return copy_text(o->offer.path, sizeof o->offer.path, value);
  if (strcmp(name, "--id") == 0) return read_id(value, &o->offer);
  if (strcmp(name, "--host") == 0) return o->has_host = usmp_discovery_parse_ip(value, o->host.ip) == 0;
  return false;
}

static bool read_options(int argc, char **argv, options_t *o)
{
  *o = (options_t){.port = USMP_DISCOVERY_PORT};
  if (argc < 3) return false;
  o->offer.role = strcmp(argv[2], "gateway") == 0 ? USMP_DISCOVERY_GATEWAY : USMP_DISCOVERY_DEVICE;
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], "--join") == 0) o->offer.join_open = true;
    else if (i + 1 == argc || !read_option(argv[i], argv[i + 1], o)) return false;
    else i++;
  }
  o->host.port = o->port;
  return true;
}

static bool input_ended(void)
{
  struct pollfd input = {.fd = 0, .events = POLLIN};
  char scrap[64];
  return poll(&input, 1, 0) > 0 && fread(scrap, 1, 1, stdin) == 0;
}

static int announce(const options_t *o)
{
  usmp_discovery_responder_t responder;
  usmp_discovery_socket_t socket;
  mdns_responder_t mdns;

  if (usmp_discovery_init_responder(&responder, &o->offer) < 0) return EXIT_USAGE;
  if (usmp_discovery_open(&socket, o->port) < 0) return EXIT_FAILURE;
  if (o->mdns_port && mdns_responder_open(&mdns, o->mdns_port, &o->offer) < 0) return EXIT_FAILURE;
  printf("announced %02x%02x\n", o->offer.instance[0], o->offer.instance[1]);
  fflush(stdout);
  while (!input_ended()) {
    (void)usmp_discovery_serve(&socket, &responder, LOOK_MS);
    if (o->mdns_port) mdns_responder_serve(&mdns, LOOK_MS);
  }
  if (o->mdns_port) mdns_responder_close(&mdns);
  usmp_discovery_close(&socket);
  return EXIT_SUCCESS;
}

static void say_found(const usmp_discovery_found_t *found)
{
  const usmp_discovery_offer_t *offer = &found->offer;
  char ip[USMP_DISCOVERY_IP_TEXT];

  usmp_discovery_format_ip(found->address.ip, ip);
  printf("found %s %02x%02x %s", offer->role == USMP_DISCOVERY_GATEWAY ? "gateway" : "device", offer->instance[0],
         offer->instance[1], ip);
  for (size_t i = 0; i < offer->carrier_count; i++)
    printf(" %s:%u", kinds[offer->carriers[i].kind - 1], offer->carriers[i].port);
  printf(" site=%s join=%d\n", offer->site, offer->join_open);
  fflush(stdout);
}

static int search(const options_t *o)
{
  const usmp_discovery_wish_t wish = {
    .roles = o->offer.role, .site = o->offer.site[0] ? o->offer.site : NULL, .random = random_bytes};
  usmp_discovery_searcher_t searcher;
  usmp_discovery_socket_t socket;

  if (usmp_discovery_init_searcher(&searcher, &wish, usmp_port_millis()) < 0) return EXIT_USAGE;
  if (usmp_discovery_open(&socket, 0) < 0) return EXIT_FAILURE;
  while (!input_ended()) {
    int noted = usmp_discovery_search(&socket, &searcher, o->port, &o->host, o->has_host, LOOK_MS);
    if (noted < 0 && noted != USMP_ERR_UNREACHABLE) return EXIT_FAILURE;
    for (size_t i = 0; i < searcher.count; i++) {
      if (searcher.found[i].mark == 0) say_found(&searcher.found[i]);
      searcher.found[i].mark = 1;
    }
  }
  usmp_discovery_close(&socket);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
  options_t o;

  if (!read_options(argc, argv, &o)) {
    fprintf(stderr, "usage: see %s\n", __FILE__);
    return EXIT_USAGE;
  }
  if (usmp_discovery_make_instance(random_bytes, NULL, o.offer.instance) < 0) return EXIT_FAILURE;
  return strcmp(argv[1], "search") == 0 ? search(&o) : announce(&o);
}
