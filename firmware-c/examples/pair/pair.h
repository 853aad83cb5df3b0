/* Two devices with one key that find each other and hold a session, without a gateway. The same on a host and on a board without
   operating system; pair.c knows neither. Which of the two does what needs no word between them: the one with the lower id accepts and
   answers queries, the other one searches and connects. */
#ifndef EXAMPLE_PAIR_H
#define EXAMPLE_PAIR_H

#include "discovery_port.h"
#include "usmp.h"

typedef struct pair_config {
  uint8_t own_id[USMP_DEVICE_ID_LEN];
  uint8_t peer_id[USMP_DEVICE_ID_LEN];   /* not the own one */
  uint8_t key[USMP_KEY_SIZE];            /* of this pair and of nobody else */
  uint16_t port;                         /* who accepts: of its sessions; 0 where the system can choose one */
  uint16_t query_port;                   /* USMP_DISCOVERY_PORT */
  const usmp_discovery_address_t *hosts; /* who searches: asked besides everybody */
  size_t host_count;
} pair_config_t;

/* True when this device accepts; false when it connects. */
bool pair_accepts(const pair_config_t *config);

/* Runs for as long as it can. Returns why it cannot: USMP_ERR_INVALID_ARGUMENT for two ids that are one, USMP_ERR_UNREACHABLE when
   a port is taken, USMP_ERR_RANDOM_FAILED. */
int pair_run(const pair_config_t *config);

/* ---- what a program brings ---- */

/* Opens the listener over UDP at `port`, 0: at any. Returns the port, or less than zero. */
int pair_listen(usmp_listener_t *listener, uint16_t port);
/* A line for people and tests, without its end: "accepting PORT", "searching", "trying IP:PORT", "connected", "message TEXT",
   "refused REASON", "lost REASON". */
void pair_say(const char *line);
/* What this device measures, for the other one; a text. */
void pair_measure(char *text, size_t size);

#endif
