#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <lwip/netdb.h>
#include <string.h>

#define LONGEST_WAIT_MS 60000u

static int select_one(int fd, uint32_t wait_ms, bool write)
{
  struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000u), .tv_usec = (suseconds_t)(wait_ms % 1000u * 1000u)};
  fd_set set;

  FD_ZERO(&set);
  FD_SET(fd, &set);
  return select(fd + 1, write ? NULL : &set, write ? &set : NULL, NULL, &wait);
}

static bool wait_for(int fd, uint32_t wait_ms, bool write)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;
  int ready;

  if (fd < 0) return false;
  if (wait_ms > LONGEST_WAIT_MS) wait_ms = LONGEST_WAIT_MS;
  do {
    ready = select_one(fd, wait_ms - elapsed, write);
    elapsed = usmp_port_millis() - begin;
  } while (ready < 0 && errno == EINTR && elapsed < wait_ms);
  return ready > 0;
}

bool usmp_esp_readable(int fd, uint32_t wait_ms)
{
  return wait_for(fd, wait_ms, false);
}

bool usmp_esp_writable(int fd, uint32_t wait_ms)
{
  return wait_for(fd, wait_ms, true);
}

int usmp_esp_set_nonblocking(int fd)
{
  int flags = fcntl(fd, F_GETFL, 0);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static int open_socket(int family, int socktype)
{
  int fd = socket(family, socktype, 0);
  if (fd >= 0 && usmp_esp_set_nonblocking(fd) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static bool connected(int fd, const struct addrinfo *address)
{
  int error = 0;
  socklen_t len = sizeof error;

  if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS || !usmp_esp_writable(fd, USMP_ESP_CONNECT_MS)) return false;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

/* Decimal digits of a port, without printf. */
static void write_port(char text[6], int port)
{
  int at = 5;
  text[at] = 0;
  do {
    text[--at] = (char)('0' + port % 10);
    port /= 10;
  } while (port > 0 && at > 0);
  memmove(text, text + at, (size_t)(6 - at));
}

int usmp_esp_dial(const char *host, int port, int socktype)
{
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socktype};
  struct addrinfo *list = NULL;
  char service[6];
  int fd = -1;

  write_port(service, port);
  if (getaddrinfo(host, service, &hints, &list) != 0) return -1;
  for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
    fd = open_socket(a->ai_family, socktype);
    if (fd >= 0 && !connected(fd, a)) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(list);
  return fd;
}

int usmp_esp_bind(int port, int socktype)
{
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int one = 1;
  int fd = open_socket(AF_INET, socktype);

  if (fd < 0) return -1;
  own.sin_addr.s_addr = htonl(INADDR_ANY);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0) return fd;
  close(fd);
  return -1;
}

/* The first four bytes of an entry of the lockout; listeners are bound to IPv4. */
void usmp_esp_address(const struct sockaddr_in *from, uint8_t out[USMP_ADDRESS_MAX])
{
  memset(out, 0, USMP_ADDRESS_MAX);
  memcpy(out, &from->sin_addr.s_addr, 4);
}

static int available(usmp_transport_t *t)
{
  return usmp_esp_readable(t->fd, 0);
}

void usmp_esp_transport(usmp_transport_t *t, int fd, usmp_kind_t kind)
{
  memset(t, 0, sizeof *t);
  t->close = t->destroy = usmp_esp_close;
  t->available = available;
  t->kind = kind;
  t->fd = fd;
}

void usmp_esp_close(usmp_transport_t *t)
{
  if (t->fd >= 0) close(t->fd);
  t->fd = -1;
}

void usmp_esp_close_listener(usmp_listener_t *listener)
{
  if (listener->fd >= 0) close(listener->fd);
  listener->fd = -1;
}

int usmp_esp_remember(usmp_transport_t *t, const char *host, int port)
{
  size_t len = strlen(host);
  if (len >= sizeof t->host || port <= 0 || port > 65535) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(t->host, host, len + 1);
  t->port = port;
  return 0;
}
