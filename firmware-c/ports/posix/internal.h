#ifndef USMP_POSIX_INTERNAL_H
#define USMP_POSIX_INTERNAL_H

#include <netdb.h>
#include <stdbool.h>

#include "usmp_posix.h"

/* Opens a socket to host:port, or listening there. Less than zero: failed. */
int usmp_posix_dial(const char *host, int port, int socktype);
int usmp_posix_bind(const char *host, int port, int socktype, bool share);
int usmp_posix_bound_port(int fd);

struct sockaddr_storage;
/* The address without its port. Returns its length. */
size_t usmp_posix_address(const struct sockaddr_storage *from, uint8_t out[USMP_ADDRESS_MAX]);

/* True when fd can be read within the time. */
bool usmp_posix_readable(int fd, uint32_t wait_ms);

int usmp_posix_available(usmp_transport_t *t);
void usmp_posix_close(usmp_transport_t *t);
void usmp_posix_close_listener(usmp_listener_t *listener);
void usmp_posix_remember(usmp_transport_t *t, const char *host, int port);

/* Makes a transport of an open socket. */
void usmp_posix_tcp_from(usmp_transport_t *t, int fd);
void usmp_posix_udp_from(usmp_transport_t *t, int fd);

#endif
