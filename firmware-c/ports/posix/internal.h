#ifndef USMP_POSIX_INTERNAL_H
#define USMP_POSIX_INTERNAL_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/types.h>

#include "usmp_posix.h"

/* Opens a socket to host:port, or listening there. Less than zero: failed. */
int usmp_posix_dial(const char *host, int port, int socktype);
int usmp_posix_bind(const char *host, int port, int socktype, bool share);
int usmp_posix_bound_port(int fd);

struct sockaddr_storage;
/* The address without its port. Returns its length. */
size_t usmp_posix_address(const struct sockaddr_storage *from, uint8_t out[USMP_ADDRESS_MAX]);

/* True when fd can be read, or written, within the time. Signals do not end the wait. */
bool usmp_posix_readable(int fd, uint32_t wait_ms);
bool usmp_posix_writable(int fd, uint32_t wait_ms);

/* What send or write says, in the terms of a transport: bytes; USMP_SEND_NO_ROOM; USMP_ERR_TRANSPORT_FAILED. */
int usmp_posix_sent(ssize_t sent);
/* What recv or read says, in the terms of a transport: bytes; 0: nothing yet; USMP_ERR_TRANSPORT_FAILED: ended. */
int usmp_posix_received(ssize_t got);

int usmp_posix_available(usmp_transport_t *t);
void usmp_posix_close(usmp_transport_t *t);
void usmp_posix_close_listener(usmp_listener_t *listener);
/* Keeps host (or path) and number for a reconnect. 0, or USMP_ERR_INVALID_ARGUMENT for a name that is too long. */
int usmp_posix_remember(usmp_transport_t *t, const char *host, int port);

/* Makes a transport of an open socket. */
void usmp_posix_tcp_from(usmp_transport_t *t, int fd);
void usmp_posix_udp_from(usmp_transport_t *t, int fd);

#endif
