#include <string.h>

#include "socket.h"

static usmp_lwip_socket_t sockets[USMP_LWIP_SOCKETS];

/* The number of a socket that is open now; less than zero: none is left. */
static int open_socket(uint16_t port)
{
  for (int i = 0; i < USMP_LWIP_SOCKETS; i++) {
    if (!sockets[i].pcb) return usmp_lwip_socket_open(&sockets[i], port) == 0 ? i : USMP_ERR_UNREACHABLE;
  }
  return USMP_ERR_UNREACHABLE;
}

/* ---- transport ---- */

static int udp_transport_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  struct udp_pcb *pcb = sockets[t->fd].pcb;
  uint8_t ip[4];

  memcpy(ip, &ip_2_ip4(&pcb->remote_ip)->addr, 4);
  int err = usmp_lwip_socket_send(&sockets[t->fd], ip, pcb->remote_port, data, len);
  return err < 0 ? err : (int)len; /* lost, and repeated in time */
}

/* The socket is connected: what comes from other addresses goes elsewhere. */
static int udp_transport_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  return (int)usmp_lwip_socket_receive(&sockets[t->fd], NULL, NULL, buf, max_len, t->wait_ms);
}

static int udp_transport_available(usmp_transport_t *t)
{
  usmp_lwip_poll(0);
  return (int)sockets[t->fd].count;
}

static void udp_transport_close(usmp_transport_t *t)
{
  if (t->fd >= 0) usmp_lwip_socket_close(&sockets[t->fd]);
  t->fd = -1;
}

/* Connects the socket to the one peer. */
static int init(usmp_transport_t *t, int fd, const ip_addr_t *peer, uint16_t port)
{
  memset(t, 0, sizeof *t);
  t->fd = fd;
  t->kind = USMP_KIND_DATAGRAM;
  t->send = udp_transport_send;
  t->recv = udp_transport_recv;
  t->available = udp_transport_available;
  t->close = t->destroy = udp_transport_close;
  if (fd >= 0 && udp_connect(sockets[fd].pcb, peer, port) == ERR_OK) return USMP_OK;
  udp_transport_close(t);
  return USMP_ERR_UNREACHABLE;
}

static int udp_transport_reconnect(usmp_transport_t *t)
{
  ip_addr_t peer;

  udp_transport_close(t);
  if (!ip4addr_aton(t->host, ip_2_ip4(&peer))) return USMP_ERR_UNREACHABLE;
  t->fd = open_socket(0);
  if (t->fd < 0) return USMP_ERR_UNREACHABLE;
  if (udp_connect(sockets[t->fd].pcb, &peer, (u16_t)t->port) == ERR_OK) return USMP_OK;
  udp_transport_close(t);
  return USMP_ERR_UNREACHABLE;
}

int usmp_transport_udp_init(usmp_transport_t *t, const char *server_ip, int port)
{
  ip_addr_t peer;
  size_t len = server_ip ? strlen(server_ip) : 0;

  if (!t || len == 0 || len >= sizeof t->host || port <= 0 || port > UINT16_MAX) return USMP_ERR_INVALID_ARGUMENT;
  if (!ip4addr_aton(server_ip, ip_2_ip4(&peer))) return USMP_ERR_INVALID_ARGUMENT;
  int err = init(t, open_socket(0), &peer, (uint16_t)port);
  t->reconnect = udp_transport_reconnect;
  t->port = port;
  memcpy(t->host, server_ip, len + 1);
  return err;
}

/* ---- listener ---- */

static int udp_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  usmp_lwip_socket_t *s = &sockets[listener->fd];
  uint8_t datagram[sizeof listener->first + 1];
  uint8_t address[6]; /* and port, as the cookie is for both */
  uint16_t port;
  usmp_hello_retry_t answer;
  ip_addr_t from;

  size_t len = usmp_lwip_socket_receive(s, address, &port, datagram, sizeof datagram, wait_ms);
  if (len == 0 || len > sizeof listener->first) return 0;
  usmp_store16(address + 4, port);
  int gate = usmp_verify_hello_cookie(&listener->issuer, address, sizeof address, usmp_port_millis() / 1000u, datagram, len,
                                      &answer);
  if (gate == 0) {
    (void)usmp_lwip_socket_send(s, address, port, answer.utack, USMP_UTACK_SIZE);
    (void)usmp_lwip_socket_send(s, address, port, answer.retry, sizeof answer.retry);
  }
  if (gate <= 0) return 0;
  IP_ADDR4(&from, address[0], address[1], address[2], address[3]);
  if (init(peer, open_socket((uint16_t)listener->port), &from, port) < 0) return 0;
  usmp_lwip_socket_clear(s); /* what it still holds may be the same HELLO once more */
  memcpy(peer->peer_address, address, 4);
  memcpy(listener->first, datagram, len);
  listener->first_len = len;
  return 1;
}

static void udp_close(usmp_listener_t *listener)
{
  if (listener->fd >= 0) usmp_lwip_socket_close(&sockets[listener->fd]);
  listener->fd = -1;
}

int usmp_listener_udp_init(usmp_listener_t *listener, int port)
{
  memset(listener, 0, sizeof *listener);
  listener->fd = -1;
  if (port <= 0 || port > UINT16_MAX) return USMP_ERR_UNREACHABLE;
  listener->accept = udp_accept;
  listener->close = udp_close;
  listener->port = port;
  listener->fd = open_socket((uint16_t)port);
  return listener->fd < 0 ? USMP_ERR_UNREACHABLE : USMP_OK;
}
