/* Of esp_websocket_client, what ws/esp_idf uses. */
#ifndef STUB_ESP_WEBSOCKET_CLIENT_H
#define STUB_ESP_WEBSOCKET_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_event.h"
#include "freertos/FreeRTOS.h"

typedef struct esp_websocket_client *esp_websocket_client_handle_t;

typedef enum {
  WEBSOCKET_EVENT_ANY = -1,
  WEBSOCKET_EVENT_ERROR,
  WEBSOCKET_EVENT_CONNECTED,
  WEBSOCKET_EVENT_DISCONNECTED,
  WEBSOCKET_EVENT_DATA,
  WEBSOCKET_EVENT_CLOSED
} esp_websocket_event_id_t;

typedef enum {
  WEBSOCKET_ERROR_TYPE_NONE,
  WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT,
  WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT,
  WEBSOCKET_ERROR_TYPE_HANDSHAKE
} esp_websocket_error_type_t;

typedef struct {
  int esp_tls_cert_verify_flags;
  esp_websocket_error_type_t error_type;
} esp_websocket_error_codes_t;

typedef struct {
  const char *data_ptr;
  int data_len;
  bool fin;
  uint8_t op_code;
  int payload_len;
  int payload_offset;
  esp_websocket_error_codes_t error_handle;
} esp_websocket_event_data_t;

typedef enum {
  WEBSOCKET_TRANSPORT_UNKNOWN,
  WEBSOCKET_TRANSPORT_OVER_TCP,
  WEBSOCKET_TRANSPORT_OVER_SSL
} esp_websocket_transport_t;

typedef struct {
  const char *host;
  int port;
  const char *path;
  bool disable_auto_reconnect;
  int task_stack;
  int buffer_size;
  const char *cert_pem;
  const char *client_cert;
  const char *client_key;
  esp_websocket_transport_t transport;
  const char *subprotocol;
  bool disable_pingpong_discon;
  esp_err_t (*crt_bundle_attach)(void *conf);
  int network_timeout_ms;
  size_t ping_interval_sec;
} esp_websocket_client_config_t;

esp_websocket_client_handle_t esp_websocket_client_init(const esp_websocket_client_config_t *config);
esp_err_t esp_websocket_client_start(esp_websocket_client_handle_t client);
esp_err_t esp_websocket_client_destroy(esp_websocket_client_handle_t client);
int esp_websocket_client_send_bin(esp_websocket_client_handle_t client, const char *data, int len, TickType_t timeout);
esp_err_t esp_websocket_client_close_with_code(esp_websocket_client_handle_t client, int code, const char *data, int len,
                                               TickType_t timeout);
bool esp_websocket_client_is_connected(esp_websocket_client_handle_t client);
esp_err_t esp_websocket_register_events(esp_websocket_client_handle_t client, esp_websocket_event_id_t event,
                                        esp_event_handler_t handler, void *argument);

#endif
