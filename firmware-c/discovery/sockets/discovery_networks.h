/* The one thing that differs between systems with sockets: which networks this host is in. */
#ifndef USMP_DISCOVERY_NETWORKS_H
#define USMP_DISCOVERY_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USMP_DISCOVERY_MAX_NETWORKS 8

typedef struct usmp_discovery_network {
  uint8_t ip[4]; /* of this host in it */
  uint8_t broadcast[4];
} usmp_discovery_network_t;

/* Networks that are up, with an IPv4 address. Returns how many, at most USMP_DISCOVERY_MAX_NETWORKS. */
size_t usmp_discovery_networks(usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS]);

#endif
