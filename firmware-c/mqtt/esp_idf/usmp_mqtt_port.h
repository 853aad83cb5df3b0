/* What MQTT needs of ESP-IDF: esp-mqtt and FreeRTOS. */
#ifndef USMP_MQTT_PORT_H
#define USMP_MQTT_PORT_H

#include <freertos/FreeRTOS.h>
#include <freertos/semphr.h>
#include <stdbool.h>

struct esp_mqtt_client;
struct esp_transport_item_t;

typedef struct usmp_mqtt_port {
  struct esp_mqtt_client *client;
  struct esp_transport_item_t *transport; /* the client's, and ended by it */
  StaticSemaphore_t mutex_memory;
  StaticSemaphore_t changed_memory;
  SemaphoreHandle_t mutex;
  SemaphoreHandle_t changed;
  int subscription; /* of the device's topic; this and the next are the MQTT task's own */
  bool refused;
} usmp_mqtt_port_t;

#endif
