/* The port for systems with BSD sockets: POSIX, and ESP-IDF's lwIP. */
#ifndef USMP_DISCOVERY_PORT_H
#define USMP_DISCOVERY_PORT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct usmp_discovery_socket {
  int fd;
  bool answers;    /* it was opened with a port, and is in the group */
  uint32_t joined; /* a hash of the networks whose group was joined: they may change */
  uint32_t looked; /* ms: when they were last looked at */
} usmp_discovery_socket_t;

#endif
