#include <string.h>

#ifdef ESP_PLATFORM
#include <lwip/sockets.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include "discovery_networks.h"
#include "discovery_port.h"
#include "usmp_port.h"

#define GROUP_TTL 1   /* queries stay in the network */
#define LOOK_MS 2000u /* between two looks at the networks of this host */

static const uint8_t group[4] = {USMP_DISCOVERY_GROUP};

static struct sockaddr_in socket_address(const uint8_t ip[4], uint16_t port)
{
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  memcpy(&address.sin_addr.s_addr, ip, 4);
  return address;
}

/* ---- the group, in networks that come and go ---- */

/* FNV-1a, only to notice a change. */
static uint32_t hash_of(const usmp_discovery_network_t *networks, size_t count)
{
  const uint8_t *bytes = (const uint8_t *)networks;
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < count * sizeof *networks; i++) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

/* Joining a second time fails, and that is no matter. */
static void join_group(usmp_discovery_socket_t *s)
{
  usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS];
  size_t count = usmp_discovery_networks(networks);
  uint32_t hash = hash_of(networks, count);

  s->looked = usmp_port_millis();
  if (hash == s->joined) return;
  s->joined = hash;
  for (size_t i = 0; i < count; i++) {
    struct ip_mreq membership;
    memcpy(&membership.imr_multiaddr.s_addr, group, 4);
    memcpy(&membership.imr_interface.s_addr, networks[i].ip, 4);
    (void)setsockopt(s->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership);
  }
}

/* ---- opening ---- */

/* What fails here is only a way less: broadcasts, or the group. */
static void set_options(int fd)
{
  const int one = 1;
  const uint8_t ttl = GROUP_TTL;
  const uint8_t loop = 1; /* other programs of this host hear our queries too */

  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
  (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof loop);
}

int usmp_discovery_open(usmp_discovery_socket_t *s, uint16_t port)
{
  static const uint8_t any[4];
  struct sockaddr_in own = socket_address(any, port);

  memset(s, 0, sizeof *s);
  s->fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (s->fd < 0) return USMP_ERR_UNREACHABLE;
  set_options(s->fd);
  if (bind(s->fd, (const struct sockaddr *)&own, sizeof own) != 0) {
    usmp_discovery_close(s);
    return USMP_ERR_UNREACHABLE;
  }
  s->answers = port != 0;
  if (s->answers) join_group(s);
  return USMP_OK;
}

void usmp_discovery_close(usmp_discovery_socket_t *s)
{
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

/* ---- datagrams ---- */

int usmp_discovery_send(usmp_discovery_socket_t *s, const usmp_discovery_address_t *to, const uint8_t *bytes, size_t len)
{
  struct sockaddr_in address = socket_address(to->ip, to->port);
  ssize_t sent = sendto(s->fd, bytes, len, 0, (const struct sockaddr *)&address, sizeof address);
  return sent == (ssize_t)len ? USMP_OK : USMP_ERR_TRANSPORT_FAILED;
}

static int send_to_group_by(usmp_discovery_socket_t *s, const uint8_t own_ip[4], uint16_t port, const uint8_t *bytes,
                            size_t len)
{
  usmp_discovery_address_t to = {.ip = {USMP_DISCOVERY_GROUP}, .port = port};
  struct in_addr by;

  memcpy(&by.s_addr, own_ip, 4);
  if (setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by) != 0) return USMP_ERR_TRANSPORT_FAILED;
  return usmp_discovery_send(s, &to, bytes, len);
}

int usmp_discovery_send_to_all(usmp_discovery_socket_t *s, uint16_t port, const uint8_t *bytes, size_t len)
{
  usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS];
  size_t count = usmp_discovery_networks(networks);
  int sent = 0;

  for (size_t i = 0; i < count; i++) {
    usmp_discovery_address_t everybody = {.port = port};
    memcpy(everybody.ip, networks[i].broadcast, 4);
    if (usmp_discovery_send(s, &everybody, bytes, len) == 0) sent++;
    if (send_to_group_by(s, networks[i].ip, port, bytes, len) == 0) sent++;
  }
  return sent;
}

static bool is_readable(int fd, uint32_t wait_ms)
{
  struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000u), .tv_usec = (suseconds_t)(wait_ms % 1000u * 1000u)};
  fd_set readable;

  FD_ZERO(&readable);
  FD_SET(fd, &readable);
  return select(fd + 1, &readable, NULL, NULL, &wait) > 0;
}

size_t usmp_discovery_receive(usmp_discovery_socket_t *s, usmp_discovery_address_t *from, uint8_t *bytes, size_t max_len,
                              uint32_t wait_ms)
{
  struct sockaddr_in address;
  socklen_t address_len = sizeof address;

  if (s->answers && usmp_port_millis() - s->looked >= LOOK_MS) join_group(s);
  if (!is_readable(s->fd, wait_ms)) return 0;
  ssize_t got = recvfrom(s->fd, bytes, max_len, MSG_DONTWAIT, (struct sockaddr *)&address, &address_len);
  if (got <= 0) return 0; /* an ICMP error is as little trustworthy as a datagram */
  memcpy(from->ip, &address.sin_addr.s_addr, 4);
  from->port = ntohs(address.sin_port);
  return (size_t)got;
}
