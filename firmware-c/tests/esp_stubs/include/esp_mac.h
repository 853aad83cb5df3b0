#ifndef STUB_ESP_MAC_H
#define STUB_ESP_MAC_H

#include <stdint.h>

#include "esp_err.h"

typedef enum { ESP_MAC_WIFI_STA, ESP_MAC_WIFI_SOFTAP, ESP_MAC_BT, ESP_MAC_ETH } esp_mac_type_t;

/* 6 bytes; 8 on chips with IEEE 802.15.4. */
esp_err_t esp_efuse_mac_get_default(uint8_t *mac);
/* 6 bytes for these interfaces. */
esp_err_t esp_read_mac(uint8_t *mac, esp_mac_type_t type);

#endif
