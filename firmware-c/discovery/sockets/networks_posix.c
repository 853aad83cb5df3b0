#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "discovery_networks.h"

static const uint8_t *bytes_of(const struct sockaddr *address)
{
  return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
}

/* False: not up, or no IPv4. The broadcast address is made of address and mask: what the system keeps as one is often not set. On a line
   with one other end, and where the mask leaves no room, there is none: the own address stands for it, and the group is left. */
static bool read_network(const struct ifaddrs *interface, usmp_discovery_network_t *out)
{
  const struct sockaddr *own = interface->ifa_addr;
  bool has_broadcast = (interface->ifa_flags & (IFF_BROADCAST | IFF_LOOPBACK)) && interface->ifa_netmask;

  if (!own || own->sa_family != AF_INET || !(interface->ifa_flags & IFF_UP)) return false;
  memcpy(out->ip, bytes_of(own), 4);
  memcpy(out->broadcast, out->ip, 4);
  for (size_t i = 0; i < 4 && has_broadcast; i++) out->broadcast[i] |= (uint8_t)~bytes_of(interface->ifa_netmask)[i];
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
