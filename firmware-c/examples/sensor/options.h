/* The command line of usmp-sensor. */
#ifndef SENSOR_OPTIONS_H
#define SENSOR_OPTIONS_H

#include "publisher_key.h"
#include "sensor.h"
#include "usmp.h"

#define SENSOR_MAX_PSK 64
#define SENSOR_MAX_PASSWORD 256

typedef enum sensor_carrier { SENSOR_TCP, SENSOR_UDP, SENSOR_OVER_MQTT, SENSOR_FINDS } sensor_carrier_t;

typedef struct sensor_options {
  const char *connect; /* as given */
  sensor_carrier_t carrier;
  char host[USMP_HOST_MAX];
  int port; /* SENSOR_FINDS: of queries */
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  uint8_t psk[SENSOR_MAX_PSK];
  size_t psk_len;
  const char *name;
  uint32_t interval_ms;
  /* Of updates. */
  const char *slots; /* folder of the two slots; null: no updates */
  bool has_publisher_key;
  uint8_t publisher_key[PUBLISHER_KEY_SIZE];
  uint32_t confirm_within_ms; /* 0: as the library has it */
  const char *find_site;      /* SENSOR_FINDS: empty: any */
  /* Of a broker. */
  const char *site;
  const char *username;
  char password[SENSOR_MAX_PASSWORD]; /* empty: none */
  const char *ca;
  const char *certificate;
  const char *key;
} sensor_options_t;

/* 0, or the exit code, and what is wrong was said. */
int sensor_read_options(int argc, char **argv, sensor_options_t *o);

#endif
