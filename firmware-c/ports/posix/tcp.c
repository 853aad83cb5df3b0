#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

static int tcp_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  return usmp_posix_sent(send(t->fd, data, len, MSG_NOSIGNAL));
}

static int tcp_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (!usmp_posix_readable(t->fd, t->wait_ms)) return 0;
  return usmp_posix_received(recv(t->fd, buf, max_len, 0));
}

static int tcp_reconnect(usmp_transport_t *t)
{
  int one = 1;

  usmp_posix_close(t);
  t->fd = usmp_posix_dial(t->host, t->port, SOCK_STREAM);
  if (t->fd < 0) return USMP_ERR_UNREACHABLE;
  setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return 0;
}

void usmp_posix_tcp_from(usmp_transport_t *t, int fd)
{
  memset(t, 0, sizeof *t);
  t->send = tcp_send;
  t->recv = tcp_recv;
  t->close = t->destroy = usmp_posix_close;
  t->available = usmp_posix_available;
  t->kind = USMP_KIND_STREAM;
  t->fd = fd;
}

int usmp_transport_tcp_init(usmp_transport_t *t, const char *server_ip, int port)
{
  if (!t || !server_ip) return USMP_ERR_INVALID_ARGUMENT;
  usmp_posix_tcp_from(t, -1);
  t->reconnect = tcp_reconnect;
  int err = usmp_posix_remember(t, server_ip, port);
  return err < 0 ? err : tcp_reconnect(t);
}

static int tcp_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  int one = 1;

  if (!usmp_posix_readable(listener->fd, wait_ms)) return 0;
  struct sockaddr_storage from;
  socklen_t from_len = sizeof from;
  int fd = accept4(listener->fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR ? 0 : -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  usmp_posix_tcp_from(peer, fd);
  usmp_posix_address(&from, peer->peer_address);
  return 1;
}

int usmp_listener_tcp_init(usmp_listener_t *listener, const char *host, int port)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = tcp_accept;
  listener->close = usmp_posix_close_listener;
  listener->fd = usmp_posix_bind(host, port, SOCK_STREAM, false);
  if (listener->fd < 0 || listen(listener->fd, 8) != 0) {
    usmp_posix_close_listener(listener);
    return USMP_ERR_UNREACHABLE;
  }
  listener->port = usmp_posix_bound_port(listener->fd);
  return 0;
}
