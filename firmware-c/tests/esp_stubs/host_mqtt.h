/* esp-mqtt, played by a test: what the port asked of it, and the events that come back. */
#ifndef STUB_HOST_MQTT_H
#define STUB_HOST_MQTT_H

#include <mqtt_client.h>

typedef struct stub_mqtt {
  esp_mqtt_client_config_t config; /* its texts are the caller's, and valid as long as he says */
  char will_topic[64];
  char client_id[32];
  char host[256];
  bool tls;
  bool bundle; /* the chip's certificates are trusted */
  const char *ca;
  const char *certificate;
  const char *key;
  bool running;
  int destroyed;
  int fd; /* of the transport */
  char subscribed[2][64];
  int subscriptions;
  void (*on_publish)(const char *topic, const char *data, int len); /* null: lost */
  int published;
  esp_event_handler_t handler;
  void *argument;
} stub_mqtt_t;

extern stub_mqtt_t stub_mqtt;

/* Hands an event to the port, as esp-mqtt's task does. */
void stub_mqtt_event(esp_mqtt_event_t event);

#endif
