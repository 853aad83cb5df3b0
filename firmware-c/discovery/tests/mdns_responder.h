/* A tiny mDNS responder for tests: one service instance, over IPv4, in all networks of this host. On a chip espressif/mdns does this. */
#ifndef USMP_MDNS_RESPONDER_H
#define USMP_MDNS_RESPONDER_H

#include "usmp_discovery.h"

typedef struct mdns_responder {
  int fd;
  uint16_t port;
  usmp_discovery_offer_t offer;
} mdns_responder_t;

/* port: 5353, or that of a test. Announces the device, and then answers queries for it. 0, or USMP_ERR_UNREACHABLE. */
int mdns_responder_open(mdns_responder_t *responder, uint16_t port, const usmp_discovery_offer_t *offer);
/* Answers what comes within wait_ms. */
void mdns_responder_serve(mdns_responder_t *responder, uint32_t wait_ms);
/* Says goodbye. */
void mdns_responder_close(mdns_responder_t *responder);

/* Whether a DNS message asks for one of the three names; the part that reads what strangers send. */
bool mdns_asks_for(const uint8_t *message, size_t len, const char *service, const char *instance, const char *host);

#endif
