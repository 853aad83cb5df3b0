#ifndef STUB_ESP_TRANSPORT_H
#define STUB_ESP_TRANSPORT_H

#include "esp_err.h"

typedef struct esp_transport_item_t *esp_transport_handle_t;

#endif
