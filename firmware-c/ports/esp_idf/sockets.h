/* What TCP and UDP have in common on lwIP. */
#ifndef USMP_ESP_SOCKETS_H
#define USMP_ESP_SOCKETS_H

#include <lwip/sockets.h>

#include "usmp_esp.h"

/* A non-blocking socket, connected to host:port or bound to a port of all interfaces. Less than zero: failed. */
int usmp_esp_dial(const char *host, int port, int socktype);
int usmp_esp_bind(int port, int socktype);

/* True when fd can be read, or written, within the time. */
bool usmp_esp_readable(int fd, uint32_t wait_ms);
bool usmp_esp_writable(int fd, uint32_t wait_ms);

int usmp_esp_set_nonblocking(int fd); /* 0, or less than zero */

/* The address of a peer without its port, as usmp_transport_t has it. */
void usmp_esp_address(const struct sockaddr_in *from, uint8_t out[USMP_ADDRESS_MAX]);

/* Fills in a transport of an open socket; send and recv are the caller's. */
void usmp_esp_transport(usmp_transport_t *t, int fd, usmp_kind_t kind);
void usmp_esp_close(usmp_transport_t *t);
void usmp_esp_close_listener(usmp_listener_t *listener);
/* Keeps host and port for a reconnect. 0, or USMP_ERR_INVALID_ARGUMENT. */
int usmp_esp_remember(usmp_transport_t *t, const char *host, int port);

#endif
