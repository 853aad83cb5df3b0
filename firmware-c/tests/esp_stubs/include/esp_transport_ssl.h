#ifndef STUB_ESP_TRANSPORT_SSL_H
#define STUB_ESP_TRANSPORT_SSL_H

#include "esp_transport.h"

esp_transport_handle_t esp_transport_ssl_init(void);
void esp_transport_ssl_set_cert_data(esp_transport_handle_t transport, const char *data, int len);
void esp_transport_ssl_set_client_cert_data(esp_transport_handle_t transport, const char *data, int len);
void esp_transport_ssl_set_client_key_data(esp_transport_handle_t transport, const char *data, int len);
void esp_transport_ssl_crt_bundle_attach(esp_transport_handle_t transport, esp_err_t (*attach)(void *conf));

#endif
