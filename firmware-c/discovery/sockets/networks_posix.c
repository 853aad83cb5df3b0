#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "discovery_networks.h"

#define LOOPBACK_BROADCAST 127, 255, 255, 255

/* False: not up, or no IPv4. The loopback network has no broadcast address of its own, but Linux takes that of 127/8. */
static bool read_network(const struct ifaddrs *interface, usmp_discovery_network_t *out)
{
  static const uint8_t loopback[4] = {LOOPBACK_BROADCAST};
  const struct sockaddr_in *own = (const struct sockaddr_in *)(const void *)interface->ifa_addr;
  const struct sockaddr_in *all = (const struct sockaddr_in *)(const void *)interface->ifa_broadaddr;

  if (!own || own->sin_family != AF_INET || !(interface->ifa_flags & IFF_UP)) return false;
  memcpy(out->ip, &own->sin_addr.s_addr, 4);
  if (interface->ifa_flags & IFF_LOOPBACK) {
    memcpy(out->broadcast, loopback, 4);
  } else if (all && (interface->ifa_flags & IFF_BROADCAST)) {
    memcpy(out->broadcast, &all->sin_addr.s_addr, 4);
  } else {
    memcpy(out->broadcast, out->ip, 4); /* a line with one other end: at least the group reaches it */
  }
  return true;
}

size_t usmp_discovery_networks(usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS])
{
  struct ifaddrs *list = NULL;
  size_t count = 0;

  if (getifaddrs(&list) != 0) return 0;
  for (const struct ifaddrs *one = list; one && count < USMP_DISCOVERY_MAX_NETWORKS; one = one->ifa_next) {
    if (read_network(one, &networks[count])) count++;
  }
  freeifaddrs(list);
  return count;
}
