#include <esp_idf_version.h>
#include <esp_netif.h>
#include <string.h>

#include "discovery_networks.h"

/* ESP-IDF 5.2 gave it another name: it takes no lock, and interfaces are rarely removed. */
#if ESP_IDF_VERSION < ESP_IDF_VERSION_VAL(5, 2, 0)
#define esp_netif_next_unsafe esp_netif_next
#endif

static bool read_network(esp_netif_t *netif, usmp_discovery_network_t *out)
{
  esp_netif_ip_info_t info;

  if (!esp_netif_is_netif_up(netif) || esp_netif_get_ip_info(netif, &info) != ESP_OK || info.ip.addr == 0) return false;
  uint32_t broadcast = info.ip.addr | ~info.netmask.addr; /* all in the order of the network */
  memcpy(out->ip, &info.ip.addr, sizeof out->ip);
  memcpy(out->broadcast, &broadcast, sizeof out->broadcast);
  return true;
}

size_t usmp_discovery_networks(usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS])
{
  size_t count = 0;

  for (esp_netif_t *netif = esp_netif_next_unsafe(NULL); netif; netif = esp_netif_next_unsafe(netif)) {
    if (count < USMP_DISCOVERY_MAX_NETWORKS && read_network(netif, &networks[count])) count++;
  }
  return count;
}
