/* The ESP-IDF port: what it has beyond usmp_transport.h. */
#ifndef USMP_ESP_H
#define USMP_ESP_H

#include "usmp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Listening on all interfaces; to be followed by usmp_listen. 0, or USMP_ERR_UNREACHABLE. */
int usmp_listener_tcp_init(usmp_listener_t *listener, int port);
#if USMP_WITH_DATAGRAM
int usmp_listener_udp_init(usmp_listener_t *listener, int port);
#endif

#ifdef __cplusplus
}
#endif
#endif
