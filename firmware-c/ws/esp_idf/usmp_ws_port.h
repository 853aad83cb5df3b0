/* What a WebSocket needs of ESP-IDF: esp_websocket_client and FreeRTOS. */
#ifndef USMP_WS_PORT_H
#define USMP_WS_PORT_H

#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <stdbool.h>

/* The task of the client waits when there is no room, so it reads nothing ahead. */
#define USMP_WS_READ_AHEAD 0
#define USMP_WS_PORT_BUFFER 2048

struct esp_websocket_client;

typedef struct usmp_ws_port {
  struct esp_websocket_client *client;
  StaticSemaphore_t mutex_memory;
  StaticSemaphore_t changed_memory;
  StaticSemaphore_t room_memory;
  SemaphoreHandle_t mutex;
  SemaphoreHandle_t changed; /* for the application's tasks */
  SemaphoreHandle_t room;    /* for the task of the client */
  bool closing;              /* under the lock: nothing more is wanted */
} usmp_ws_port_t;

#endif
