/* Datagrams of lwIP's raw API that wait for who reads them: the sockets of udp.c, and that of discovery. */
#ifndef USMP_LWIP_SOCKET_H
#define USMP_LWIP_SOCKET_H

#include <lwip/udp.h>

#include "usmp_lwip.h"

typedef struct usmp_lwip_socket {
  struct udp_pcb *pcb; /* null: not open */
  struct {
    struct pbuf *p;
    uint8_t ip[4]; /* of the sender */
    uint16_t port;
  } queue[USMP_LWIP_QUEUE];
  size_t count;
} usmp_lwip_socket_t;

/* Opens it on all addresses; port 0: any. Returns 0, or USMP_ERR_UNREACHABLE. */
int usmp_lwip_socket_open(usmp_lwip_socket_t *s, uint16_t port);
void usmp_lwip_socket_close(usmp_lwip_socket_t *s);
void usmp_lwip_socket_clear(usmp_lwip_socket_t *s);
/* Returns 0, or USMP_ERR_TRANSPORT_FAILED: it is lost. */
int usmp_lwip_socket_send(usmp_lwip_socket_t *s, const uint8_t ip[4], uint16_t port, const uint8_t *bytes, size_t len);
/* The oldest datagram, or its first max_len bytes. 0: none came within wait_ms. ip and port may be null. */
size_t usmp_lwip_socket_receive(usmp_lwip_socket_t *s, uint8_t ip[4], uint16_t *port, uint8_t *bytes, size_t max_len,
                                uint32_t wait_ms);

#endif
