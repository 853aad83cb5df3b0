/* What MQTT needs of a host: libmosquitto and POSIX threads. */
#ifndef USMP_MQTT_PORT_H
#define USMP_MQTT_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mosquitto;

typedef struct usmp_mqtt_port {
  struct mosquitto *client;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint32_t backoff_ms; /* this and the next are the thread's own */
  bool refused;
  bool stopping;
} usmp_mqtt_port_t;

#endif
