/* What MQTT needs of a host: libmosquitto and POSIX threads. */
#ifndef USMP_MQTT_PORT_H
#define USMP_MQTT_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor.h"

struct mosquitto;

typedef struct usmp_mqtt_port {
  struct mosquitto *client;
  pthread_t thread;
  usmp_posix_monitor_t monitor;
  uint32_t backoff_ms; /* this and the next are the thread's own */
  bool refused;
  bool stopping;
} usmp_mqtt_port_t;

#endif
