#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"

static speed_t speed_of(int baud)
{
  switch (baud) {
    case 9600: return B9600;
    case 19200: return B19200;
    case 38400: return B38400;
    case 57600: return B57600;
    case 115200: return B115200;
    case 230400: return B230400;
    case 460800: return B460800;
    case 921600: return B921600;
    default: return B0;
  }
}

static int open_line(const char *path, int baud)
{
  struct termios line;
  int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0) return -1;
  speed_t speed = speed_of(baud);
  bool good = tcgetattr(fd, &line) == 0 && (baud == 0 || speed != B0);
  if (good) {
    cfmakeraw(&line);
    line.c_cflag |= CLOCAL | CREAD;
    if (baud) {
      cfsetispeed(&line, speed);
      cfsetospeed(&line, speed);
    }
    good = tcsetattr(fd, TCSANOW, &line) == 0;
  }
  if (good) return fd;
  close(fd);
  return -1;
}

static int serial_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  return usmp_posix_sent(write(t->fd, data, len));
}

static int serial_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  if (!usmp_posix_readable(t->fd, t->wait_ms)) return 0;
  return usmp_posix_received(read(t->fd, buf, max_len));
}

static int serial_reconnect(usmp_transport_t *t)
{
  usmp_posix_close(t);
  t->fd = open_line(t->host, t->port);
  return t->fd < 0 ? USMP_ERR_UNREACHABLE : 0;
}

static void serial_from(usmp_transport_t *t, int fd)
{
  memset(t, 0, sizeof *t);
  t->send = serial_send;
  t->recv = serial_recv;
  t->available = usmp_posix_available;
  t->kind = USMP_KIND_SERIAL;
  t->fd = fd;
}

int usmp_transport_serial_init(usmp_transport_t *t, const char *path, int baud)
{
  if (!t || !path) return USMP_ERR_INVALID_ARGUMENT;
  serial_from(t, -1);
  t->close = t->destroy = usmp_posix_close;
  t->reconnect = serial_reconnect;
  int err = usmp_posix_remember(t, path, baud);
  return err < 0 ? err : serial_reconnect(t);
}

/* Unplugged: such a serial line stays readable, and has nothing to read. */
static bool is_gone(int fd)
{
  struct pollfd poller = {.fd = fd, .events = POLLIN};
  return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* There is one peer, and it is always there. The transport has no close: the line is the listener's. */
static int serial_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  if (listener->first_len == 0 && !usmp_posix_readable(listener->fd, wait_ms)) return 0;
  if (is_gone(listener->fd)) return -1;
  serial_from(peer, listener->fd);
  return 1;
}

int usmp_listener_serial_init(usmp_listener_t *listener, const char *path, int baud)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = serial_accept;
  listener->close = usmp_posix_close_listener;
  listener->fd = open_line(path, baud);
  return listener->fd < 0 ? USMP_ERR_UNREACHABLE : 0;
}
