#ifndef STUB_ESP_TRANSPORT_TCP_H
#define STUB_ESP_TRANSPORT_TCP_H

#include "esp_transport.h"

esp_transport_handle_t esp_transport_tcp_init(void);

#endif
