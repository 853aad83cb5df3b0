/* The POSIX port: what it has beyond usmp_transport.h. */
#ifndef USMP_POSIX_H
#define USMP_POSIX_H

#include "usmp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Without a call of this, the device id is made from /etc/machine-id. */
void usmp_posix_set_device_id(const uint8_t device_id[USMP_DEVICE_ID_LEN]);
/* The device id as text, "aa:bb:cc:dd:ee:ff". 0, or less than zero. */
int usmp_posix_parse_device_id(const char *text, uint8_t device_id[USMP_DEVICE_ID_LEN]);

/* A serial line or a pseudo terminal, raw, 8N1. 0, or USMP_ERR_UNREACHABLE. baud 0 leaves the speed as it is. */
int usmp_transport_serial_init(usmp_transport_t *t, const char *path, int baud);

/* To be followed by usmp_listen. port 0: any free one, found in listener->port. 0, or USMP_ERR_UNREACHABLE. */
int usmp_listener_tcp_init(usmp_listener_t *listener, const char *host, int port);
int usmp_listener_udp_init(usmp_listener_t *listener, const char *host, int port);
/* The line stays open between sessions. If it is unplugged, usmp_accept fails with USMP_ERR_TRANSPORT_FAILED. */
int usmp_listener_serial_init(usmp_listener_t *listener, const char *path, int baud);

#ifdef __cplusplus
}
#endif
#endif
