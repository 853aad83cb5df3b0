#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#define CONNECT_WAIT_MS 5000u
#define LONGEST_WAIT_MS 60000u

static struct addrinfo *resolve(const char *host, int port, int socktype, int flags)
{
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socktype, .ai_flags = flags};
  struct addrinfo *found = NULL;
  char service[12];

  snprintf(service, sizeof service, "%d", port);
  return getaddrinfo(host, service, &hints, &found) == 0 ? found : NULL;
}

static bool connected(int fd, const struct addrinfo *address)
{
  int error = 0;
  socklen_t len = sizeof error;

  if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS || !usmp_posix_writable(fd, CONNECT_WAIT_MS)) return false;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

int usmp_posix_dial(const char *host, int port, int socktype)
{
  struct addrinfo *list = resolve(host, port, socktype, 0);
  int fd = -1;

  for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd >= 0 && !connected(fd, a)) {
      close(fd);
      fd = -1;
    }
  }
  if (list) freeaddrinfo(list);
  return fd;
}

int usmp_posix_bind(const char *host, int port, int socktype, bool share)
{
  struct addrinfo *list = resolve(host, port, socktype, AI_PASSIVE);
  int one = 1;
  int fd = -1;

  for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) continue;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (share) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  if (list) freeaddrinfo(list);
  return fd;
}

int usmp_posix_bound_port(int fd)
{
  struct sockaddr_storage address;
  socklen_t len = sizeof address;

  if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

size_t usmp_posix_address(const struct sockaddr_storage *from, uint8_t out[USMP_ADDRESS_MAX])
{
  if (from->ss_family == AF_INET6) {
    memcpy(out, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    return 16;
  }
  memcpy(out, &((const struct sockaddr_in *)from)->sin_addr, 4);
  return 4;
}

static bool wait_for(int fd, short events, uint32_t wait_ms)
{
  struct pollfd poller = {.fd = fd, .events = events};
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;
  int ready;

  do {
    uint32_t left = wait_ms - elapsed;
    ready = poll(&poller, 1, left > LONGEST_WAIT_MS ? (int)LONGEST_WAIT_MS : (int)left);
    elapsed = usmp_port_millis() - begin;
  } while (ready < 0 && errno == EINTR && elapsed < wait_ms);
  return ready > 0;
}

bool usmp_posix_readable(int fd, uint32_t wait_ms)
{
  return wait_for(fd, POLLIN, wait_ms);
}

bool usmp_posix_writable(int fd, uint32_t wait_ms)
{
  return wait_for(fd, POLLOUT, wait_ms);
}

/* Of a call that failed: it may do better another time. */
static bool would_block(void)
{
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int usmp_posix_sent(ssize_t sent)
{
  if (sent > 0) return (int)sent;
  return sent < 0 && would_block() ? USMP_SEND_NO_ROOM : USMP_ERR_TRANSPORT_FAILED;
}

int usmp_posix_received(ssize_t got)
{
  if (got > 0) return (int)got;
  return got < 0 && would_block() ? 0 : USMP_ERR_TRANSPORT_FAILED;
}

int usmp_posix_available(usmp_transport_t *t)
{
  return t->fd >= 0 && usmp_posix_readable(t->fd, 0);
}

void usmp_posix_close(usmp_transport_t *t)
{
  if (t->fd >= 0) close(t->fd);
  t->fd = -1;
}

void usmp_posix_close_listener(usmp_listener_t *listener)
{
  if (listener->fd >= 0) close(listener->fd);
  listener->fd = -1;
}

int usmp_posix_remember(usmp_transport_t *t, const char *host, int port)
{
  size_t len = strlen(host);
  if (len >= sizeof t->host) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(t->host, host, len + 1);
  t->port = port;
  return USMP_OK;
}
