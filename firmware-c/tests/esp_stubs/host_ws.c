#include "host_ws.h"

#include <esp_crt_bundle.h>
#include <stdio.h>

stub_ws_t stub_ws;

esp_err_t esp_crt_bundle_attach(void *conf)
{
  (void)conf;
  return ESP_OK;
}

esp_websocket_client_handle_t esp_websocket_client_init(const esp_websocket_client_config_t *config)
{
  stub_ws.config = *config;
  return (esp_websocket_client_handle_t)&stub_ws;
}

esp_err_t esp_websocket_register_events(esp_websocket_client_handle_t client, esp_websocket_event_id_t event,
                                        esp_event_handler_t handler, void *argument)
{
  (void)client;
  stub_ws.handler = handler;
  stub_ws.argument = argument;
  return event == WEBSOCKET_EVENT_ANY ? ESP_OK : -1;
}

esp_err_t esp_websocket_client_start(esp_websocket_client_handle_t client)
{
  (void)client;
  stub_ws.started++;
  if (stub_ws.on_start) stub_ws.on_start();
  return ESP_OK;
}

esp_err_t esp_websocket_client_destroy(esp_websocket_client_handle_t client)
{
  (void)client;
  stub_ws.connected = false;
  stub_ws.destroyed++;
  return ESP_OK;
}

int esp_websocket_client_send_bin(esp_websocket_client_handle_t client, const char *data, int len, TickType_t timeout)
{
  (void)client, (void)timeout;
  return stub_ws.on_send ? stub_ws.on_send(data, len) : len;
}

esp_err_t esp_websocket_client_close_with_code(esp_websocket_client_handle_t client, int code, const char *data, int len,
                                               TickType_t timeout)
{
  (void)client, (void)data, (void)len, (void)timeout;
  stub_ws.close_code = code;
  return ESP_OK;
}

bool esp_websocket_client_is_connected(esp_websocket_client_handle_t client)
{
  (void)client;
  return stub_ws.connected;
}

void stub_ws_event(esp_websocket_event_id_t id, esp_websocket_event_data_t event)
{
  if (id == WEBSOCKET_EVENT_CONNECTED) stub_ws.connected = true;
  stub_ws.handler(stub_ws.argument, "WEBSOCKET_EVENTS", id, &event);
}
