/* The port for boards without operating system: lwIP's raw API, by ports/lwip. */
#ifndef USMP_DISCOVERY_PORT_H
#define USMP_DISCOVERY_PORT_H

#include "socket.h"

typedef usmp_lwip_socket_t usmp_discovery_socket_t;

#endif
