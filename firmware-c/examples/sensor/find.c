#include "find.h"

#include <stdio.h>

#include "usmp_port.h"

static int random_bytes(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

int sensor_finder_start(sensor_finder_t *finder, const char *site, uint16_t query_port)
{
  const usmp_discovery_wish_t wish = {.roles = USMP_DISCOVERY_GATEWAY, .site = site, .random = random_bytes};

  finder->query_port = query_port;
  int err = usmp_discovery_init_searcher(&finder->searcher, &wish, usmp_port_millis());
  return err < 0 ? err : usmp_discovery_open(&finder->socket, 0);
}

void sensor_finder_stop(sensor_finder_t *finder)
{
  usmp_discovery_close(&finder->socket);
}

void sensor_finder_ask(sensor_finder_t *finder)
{
  usmp_discovery_restart_search(&finder->searcher, usmp_port_millis());
}

void sensor_finder_look(sensor_finder_t *finder, uint32_t wait_ms)
{
  /* Without a network there is nothing to wait for. */
  if (usmp_discovery_search(&finder->socket, &finder->searcher, finder->query_port, NULL, 0, wait_ms) < 0)
    usmp_port_delay_ms(wait_ms);
}

static bool takes_sessions(const usmp_discovery_offer_t *offer)
{
  return usmp_discovery_port_of(offer, USMP_CARRIER_TCP) || usmp_discovery_port_of(offer, USMP_CARRIER_UDP);
}

/* The one whose turn it is: never tried, or longest ago. */
static usmp_discovery_found_t *next_in_turn(usmp_discovery_searcher_t *searcher, bool again, uint32_t now)
{
  usmp_discovery_found_t *next = NULL;

  for (size_t i = 0; i < searcher->count; i++) {
    usmp_discovery_found_t *found = &searcher->found[i];
    if (!takes_sessions(&found->offer)) continue;
    if (found->mark == 0) return found;
    if (again && (!next || now - found->mark > now - next->mark)) next = found;
  }
  return next;
}

int sensor_finder_dial(sensor_finder_t *finder, bool again, usmp_transport_t *transport, char where[32])
{
  uint32_t now = usmp_port_millis();
  usmp_discovery_found_t *found = next_in_turn(&finder->searcher, again, now);
  char ip[USMP_DISCOVERY_IP_TEXT];

  if (!found) return 1;
  found->mark = now | 1u; /* never 0 */
  uint16_t tcp = usmp_discovery_port_of(&found->offer, USMP_CARRIER_TCP);
  uint16_t port = tcp ? tcp : usmp_discovery_port_of(&found->offer, USMP_CARRIER_UDP);
  usmp_discovery_format_ip(found->address.ip, ip);
  snprintf(where, 32, "%s:%u", ip, port);
  return tcp ? usmp_transport_tcp_init(transport, ip, port) : usmp_transport_udp_init(transport, ip, port);
}
