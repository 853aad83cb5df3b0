/* esp_websocket_client, played by a test: what the port asked of it, and the events that come back. */
#ifndef STUB_HOST_WS_H
#define STUB_HOST_WS_H

#include <esp_websocket_client.h>

typedef struct stub_ws {
  esp_websocket_client_config_t config; /* its texts are the caller's */
  void (*on_start)(void);               /* null: nothing happens */
  int (*on_send)(const char *data, int len);
  bool connected;
  int started;
  int destroyed;
  int close_code;
  esp_event_handler_t handler;
  void *argument;
} stub_ws_t;

extern stub_ws_t stub_ws;

/* Hands an event to the port, as the client's task does. */
void stub_ws_event(esp_websocket_event_id_t id, esp_websocket_event_data_t event);

#endif
