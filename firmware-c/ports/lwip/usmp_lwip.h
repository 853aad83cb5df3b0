/* UDP for boards without operating system, over lwIP's raw API (NO_SYS): usmp_transport_udp_init, and a listener. Everything runs in
   the loop that calls usmp.h: while it waits, it calls usmp_lwip_poll. lwIP's options must have SO_REUSE. IPv4 only, and addresses
   only: no names. */
#ifndef USMP_LWIP_H
#define USMP_LWIP_H

#include "usmp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sockets at once: a listener takes one, and each session one. */
#ifndef USMP_LWIP_SOCKETS
#define USMP_LWIP_SOCKETS 4
#endif
/* Datagrams that may wait in a socket; what comes when all are taken is dropped, and the peer sends it again. */
#ifndef USMP_LWIP_QUEUE
#define USMP_LWIP_QUEUE 4
#endif

/* The application's: hands to lwIP what its network interface has received, and runs lwIP's timers. If nothing has come it may sleep,
   wait_ms at most. */
void usmp_lwip_poll(uint32_t wait_ms);

/* To be followed by usmp_listen. port: 1 to 65535. Returns 0, or USMP_ERR_UNREACHABLE when there is no socket left or the port is
   taken. */
int usmp_listener_udp_init(usmp_listener_t *listener, int port);

#ifdef __cplusplus
}
#endif
#endif
