#include <errno.h>
#include <string.h>

#include "sockets.h"

#define BACKLOG 4

static bool would_block(void)
{
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int tcp_transport_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  ssize_t sent = send(t->fd, data, len, 0);
  if (sent > 0) return (int)sent;
  return sent < 0 && would_block() ? USMP_SEND_NO_ROOM : USMP_ERR_TRANSPORT_FAILED;
}

static int tcp_transport_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (!usmp_esp_readable(t->fd, t->wait_ms)) return 0;
  ssize_t got = recv(t->fd, buf, max_len, 0);
  if (got > 0) return (int)got;
  return got < 0 && would_block() ? 0 : USMP_ERR_TRANSPORT_FAILED;
}

static void take_socket(usmp_transport_t *t, int fd)
{
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  t->fd = fd;
}

static int tcp_transport_reconnect(usmp_transport_t *t)
{
  usmp_esp_close(t);
  int fd = usmp_esp_dial(t->host, t->port, SOCK_STREAM);
  if (fd < 0) return USMP_ERR_UNREACHABLE;
  take_socket(t, fd);
  return 0;
}

static void init(usmp_transport_t *t)
{
  usmp_esp_transport(t, -1, USMP_KIND_STREAM);
  t->send = tcp_transport_send;
  t->recv = tcp_transport_recv;
}

int usmp_transport_tcp_init(usmp_transport_t *t, const char *server_ip, int port)
{
  if (!t || !server_ip) return USMP_ERR_INVALID_ARGUMENT;
  init(t);
  t->reconnect = tcp_transport_reconnect;
  if (usmp_esp_remember(t, server_ip, port) < 0) return USMP_ERR_INVALID_ARGUMENT;
  return tcp_transport_reconnect(t);
}

static int tcp_accept_peer(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  if (!usmp_esp_readable(listener->fd, wait_ms)) return 0;
  struct sockaddr_in from;
  socklen_t from_len = sizeof from;
  int fd = accept(listener->fd, (struct sockaddr *)&from, &from_len);
  if (fd < 0) return would_block() || errno == ECONNABORTED ? 0 : -1;
  if (usmp_esp_set_nonblocking(fd) < 0) {
    close(fd);
    return 0;
  }
  init(peer);
  take_socket(peer, fd);
  usmp_esp_address(&from, peer->peer_address);
  return 1;
}

int usmp_listener_tcp_init(usmp_listener_t *listener, int port)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = tcp_accept_peer;
  listener->close = usmp_esp_close_listener;
  listener->port = port;
  listener->fd = usmp_esp_bind(port, SOCK_STREAM);
  if (listener->fd >= 0 && listen(listener->fd, BACKLOG) == 0) return 0;
  usmp_esp_close_listener(listener);
  return USMP_ERR_UNREACHABLE;
}
