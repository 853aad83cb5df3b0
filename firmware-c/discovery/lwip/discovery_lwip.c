#include <lwip/igmp.h>
#include <lwip/netif.h>
#include <string.h>

#include "discovery_port.h"

#define GROUP_TTL 1 /* queries stay in the network */

static const uint8_t group[4] = {USMP_DISCOVERY_GROUP};

int usmp_discovery_open(usmp_discovery_socket_t *s, uint16_t port)
{
  ip4_addr_t address;

  int err = usmp_lwip_socket_open(s, port);
  if (err < 0) return err;
  udp_set_multicast_ttl(s->pcb, GROUP_TTL);
  memcpy(&address.addr, group, sizeof group);
  if (port != 0) (void)igmp_joingroup(IP4_ADDR_ANY4, &address); /* without it broadcasts are left */
  return USMP_OK;
}

void usmp_discovery_close(usmp_discovery_socket_t *s)
{
  usmp_lwip_socket_close(s);
}

int usmp_discovery_send(usmp_discovery_socket_t *s, const usmp_discovery_address_t *to, const uint8_t *bytes, size_t len)
{
  return usmp_lwip_socket_send(s, to->ip, to->port, bytes, len);
}

int usmp_discovery_send_to_all(usmp_discovery_socket_t *s, uint16_t port, const uint8_t *bytes, size_t len)
{
  struct netif *netif;
  int sent = 0;

  NETIF_FOREACH(netif)
  {
    uint8_t ip[4];
    uint32_t broadcast = netif_ip4_addr(netif)->addr | ~netif_ip4_netmask(netif)->addr;
    if (!netif_is_up(netif) || ip4_addr_isany(netif_ip4_addr(netif))) continue;
    memcpy(ip, &broadcast, sizeof ip);
    if (usmp_lwip_socket_send(s, ip, port, bytes, len) == 0) sent++;
    udp_set_multicast_netif_index(s->pcb, netif_get_index(netif));
    if (usmp_lwip_socket_send(s, group, port, bytes, len) == 0) sent++;
  }
  return sent;
}

size_t usmp_discovery_receive(usmp_discovery_socket_t *s, usmp_discovery_address_t *from, uint8_t *bytes, size_t max_len,
                              uint32_t wait_ms)
{
  return usmp_lwip_socket_receive(s, from->ip, &from->port, bytes, max_len, wait_ms);
}
