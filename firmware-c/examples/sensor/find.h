/* Gateways of the local network, for `--connect find:SITE`. Nothing that is found is proven: without the key of this sensor a handshake fails,
   and the next one is tried. */
#ifndef SENSOR_FIND_H
#define SENSOR_FIND_H

#include "discovery_port.h"
#include "usmp_transport.h"

typedef struct sensor_finder {
  usmp_discovery_socket_t socket;
  usmp_discovery_searcher_t searcher;
  uint16_t query_port;
} sensor_finder_t;

/* site: null: any. It stays the caller's. 0, USMP_ERR_INVALID_ARGUMENT or USMP_ERR_UNREACHABLE. */
int sensor_finder_start(sensor_finder_t *finder, const char *site, uint16_t query_port);
void sensor_finder_stop(sensor_finder_t *finder);
/* The next attempt begins: asks again at once. */
void sensor_finder_ask(sensor_finder_t *finder);
/* Sends what is due and takes answers in, for wait_ms at most. */
void sensor_finder_look(sensor_finder_t *finder, uint32_t wait_ms);
/* Connects to one that takes TCP or UDP: one that was not tried yet, or with `again` the one whose turn is longest ago. The text for people is
   "IP:PORT". Returns 1 when there is none; else as usmp_transport_tcp_init. */
int sensor_finder_dial(sensor_finder_t *finder, bool again, usmp_transport_t *transport, char where[32]);

#endif
