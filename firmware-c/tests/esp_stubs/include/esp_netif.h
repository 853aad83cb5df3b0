#ifndef STUB_ESP_NETIF_H
#define STUB_ESP_NETIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

#define ESP_IPADDR_TYPE_V4 0U
#define ESP_IPADDR_TYPE_V6 6U

typedef struct {
  uint32_t addr; /* in the order of the network */
} esp_ip4_addr_t;

typedef struct {
  union {
    uint32_t ip6[4];
    esp_ip4_addr_t ip4;
  } u_addr;
  uint8_t type;
} esp_ip_addr_t;

typedef struct {
  esp_ip4_addr_t ip;
  esp_ip4_addr_t netmask;
  esp_ip4_addr_t gw;
} esp_netif_ip_info_t;

typedef struct stub_netif esp_netif_t;

esp_err_t esp_netif_init(void);
esp_netif_t *esp_netif_next_unsafe(esp_netif_t *netif);
bool esp_netif_is_netif_up(esp_netif_t *netif);
esp_err_t esp_netif_get_ip_info(esp_netif_t *netif, esp_netif_ip_info_t *info);

#endif
