#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

static int udp_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  return send(t->fd, data, len, MSG_NOSIGNAL) < 0 ? USMP_ERR_TRANSPORT_FAILED : (int)len; /* lost, and repeated in time */
}

/* The socket is connected: the kernel drops what comes from other addresses. */
static int udp_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (!usmp_posix_readable(t->fd, t->wait_ms)) return 0;
  ssize_t got = recv(t->fd, buf, max_len, 0);
  return got > 0 ? (int)got : 0; /* an ICMP error is as little trustworthy as a datagram */
}

static int udp_reconnect(usmp_transport_t *t)
{
  usmp_posix_close(t);
  t->fd = usmp_posix_dial(t->host, t->port, SOCK_DGRAM);
  return t->fd < 0 ? USMP_ERR_UNREACHABLE : 0;
}

void usmp_posix_udp_from(usmp_transport_t *t, int fd)
{
  memset(t, 0, sizeof *t);
  t->send = udp_send;
  t->recv = udp_recv;
  t->close = t->destroy = usmp_posix_close;
  t->available = usmp_posix_available;
  t->kind = USMP_KIND_DATAGRAM;
  t->fd = fd;
}

int usmp_transport_udp_init(usmp_transport_t *t, const char *server_ip, int port)
{
  if (!t || !server_ip) return USMP_ERR_INVALID_ARGUMENT;
  usmp_posix_udp_from(t, -1);
  t->reconnect = udp_reconnect;
  int err = usmp_posix_remember(t, server_ip, port);
  return err < 0 ? err : udp_reconnect(t);
}

/* Address and port in a form that does not depend on padding. Returns the length. */
static size_t address_bytes(const struct sockaddr_storage *from, uint8_t out[USMP_COOKIE_MAX_ADDRESS])
{
  size_t len = usmp_posix_address(from, out);
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
  const struct sockaddr_in *four = (const struct sockaddr_in *)from;

  memcpy(out + len, from->ss_family == AF_INET6 ? &six->sin6_port : &four->sin_port, 2);
  return len + 2;
}

/* A socket of its own for the peer, on the same port: the kernel hands a datagram to the connected one. */
static int socket_for(const usmp_listener_t *listener, const struct sockaddr_storage *from, socklen_t from_len)
{
  struct sockaddr_storage own;
  socklen_t own_len = sizeof own;
  int one = 1;
  int fd = socket(from->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (getsockname(listener->fd, (struct sockaddr *)&own, &own_len) == 0 && bind(fd, (struct sockaddr *)&own, own_len) == 0 &&
      connect(fd, (const struct sockaddr *)from, from_len) == 0) {
    return fd;
  }
  close(fd);
  return -1;
}

/* What the listening socket still holds may be the same HELLO once more. */
static void forget_queued(const usmp_listener_t *listener)
{
  uint8_t scrap[1];
  while (recv(listener->fd, scrap, sizeof scrap, MSG_DONTWAIT) >= 0) continue;
}

static int udp_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  uint8_t datagram[sizeof listener->first + 1];
  uint8_t address[USMP_COOKIE_MAX_ADDRESS];
  struct sockaddr_storage from;
  socklen_t from_len = sizeof from;
  usmp_hello_retry_t answer;

  if (!usmp_posix_readable(listener->fd, wait_ms)) return 0;
  ssize_t len = recvfrom(listener->fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &from_len);
  if (len <= 0) return 0;
  int gate = usmp_verify_hello_cookie(&listener->issuer, address, address_bytes(&from, address), usmp_port_millis() / 1000u,
                                      datagram, (size_t)len, &answer);
  if (gate < 0) return 0;
  if (gate == 0) {
    sendto(listener->fd, answer.utack, USMP_UTACK_SIZE, 0, (struct sockaddr *)&from, from_len);
    sendto(listener->fd, answer.retry, sizeof answer.retry, 0, (struct sockaddr *)&from, from_len);
    return 0;
  }
  int fd = socket_for(listener, &from, from_len);
  if (fd < 0) return 0;
  forget_queued(listener);
  usmp_posix_udp_from(peer, fd);
  usmp_posix_address(&from, peer->peer_address);
  memcpy(listener->first, datagram, (size_t)len);
  listener->first_len = (size_t)len;
  return 1;
}

int usmp_listener_udp_init(usmp_listener_t *listener, const char *host, int port)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = udp_accept;
  listener->close = usmp_posix_close_listener;
  listener->fd = usmp_posix_bind(host, port, SOCK_DGRAM, true);
  if (listener->fd < 0) return USMP_ERR_UNREACHABLE;
  listener->port = usmp_posix_bound_port(listener->fd);
  return 0;
}
