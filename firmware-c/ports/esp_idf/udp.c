#include <string.h>

#include "sockets.h"

#if USMP_WITH_DATAGRAM

static int udp_transport_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  return send(t->fd, data, len, 0) < 0 ? USMP_ERR_TRANSPORT_FAILED : (int)len; /* lost, and repeated in time */
}

/* The socket is connected: what comes from other addresses is not seen here. */
static int udp_transport_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (!usmp_esp_readable(t->fd, t->wait_ms)) return 0;
  ssize_t got = recv(t->fd, buf, max_len, 0);
  return got > 0 ? (int)got : 0; /* an ICMP error is as little trustworthy as a datagram */
}

static int udp_transport_reconnect(usmp_transport_t *t)
{
  usmp_esp_close(t);
  t->fd = usmp_esp_dial(t->host, t->port, SOCK_DGRAM);
  return t->fd < 0 ? USMP_ERR_UNREACHABLE : 0;
}

static void init(usmp_transport_t *t, int fd)
{
  usmp_esp_transport(t, fd, USMP_KIND_DATAGRAM);
  t->send = udp_transport_send;
  t->recv = udp_transport_recv;
}

int usmp_transport_udp_init(usmp_transport_t *t, const char *server_ip, int port)
{
  if (!t || !server_ip) return USMP_ERR_INVALID_ARGUMENT;
  init(t, -1);
  t->reconnect = udp_transport_reconnect;
  if (usmp_esp_remember(t, server_ip, port) < 0) return USMP_ERR_INVALID_ARGUMENT;
  return udp_transport_reconnect(t);
}

/* Address and port in a form that does not depend on padding: 6 bytes. The listener is bound to IPv4. */
static size_t address_bytes(const struct sockaddr_in *from, uint8_t out[USMP_COOKIE_MAX_ADDRESS])
{
  memcpy(out, &from->sin_addr.s_addr, 4);
  memcpy(out + 4, &from->sin_port, 2);
  return 6;
}

/* A socket of its own for the peer, on the same port: lwIP prefers the connected one. */
static int socket_for(const usmp_listener_t *listener, const struct sockaddr_in *from)
{
  int fd = usmp_esp_bind(listener->port, SOCK_DGRAM);
  if (fd < 0 || connect(fd, (const struct sockaddr *)from, sizeof *from) == 0) return fd;
  close(fd);
  return -1;
}

/* What the listening socket still holds may be the same HELLO once more. */
static void forget_queued(const usmp_listener_t *listener)
{
  uint8_t scrap[1];
  while (recv(listener->fd, scrap, sizeof scrap, MSG_DONTWAIT) >= 0) continue;
}

static void answer_first_hello(const usmp_listener_t *listener, const usmp_hello_retry_t *answer, const struct sockaddr_in *to)
{
  const struct sockaddr *address = (const struct sockaddr *)to;
  sendto(listener->fd, answer->utack, USMP_UTACK_SIZE, 0, address, sizeof *to);
  sendto(listener->fd, answer->retry, sizeof answer->retry, 0, address, sizeof *to);
}

static int udp_accept_peer(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  uint8_t datagram[sizeof listener->first + 1];
  uint8_t address[USMP_COOKIE_MAX_ADDRESS];
  struct sockaddr_in from;
  socklen_t from_len = sizeof from;
  usmp_hello_retry_t answer;

  if (!usmp_esp_readable(listener->fd, wait_ms)) return 0;
  ssize_t len = recvfrom(listener->fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &from_len);
  if (len <= 0 || (size_t)len > sizeof listener->first) return 0;
  int gate = usmp_verify_hello_cookie(&listener->issuer, address, address_bytes(&from, address), usmp_port_millis() / 1000u,
                                      datagram, (size_t)len, &answer);
  if (gate == 0) answer_first_hello(listener, &answer, &from);
  if (gate <= 0) return 0;
  int fd = socket_for(listener, &from);
  if (fd < 0) return 0;
  forget_queued(listener);
  init(peer, fd);
  usmp_esp_address(&from, peer->peer_address);
  memcpy(listener->first, datagram, (size_t)len);
  listener->first_len = (size_t)len;
  return 1;
}

int usmp_listener_udp_init(usmp_listener_t *listener, int port)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = udp_accept_peer;
  listener->close = usmp_esp_close_listener;
  listener->port = port;
  listener->fd = usmp_esp_bind(port, SOCK_DGRAM);
  return listener->fd < 0 ? USMP_ERR_UNREACHABLE : 0;
}

#endif
