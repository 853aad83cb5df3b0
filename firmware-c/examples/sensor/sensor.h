/* What a sensor measures, says and answers in a session: JSON-RPC, one message each, as a gateway has it
   (packages/gateway/src/device-api.ts). It knows nothing of sockets and lines: messages in, messages out, the time is an argument.
   The readings are simulated; everything else is as in a device. */
#ifndef SENSOR_H
#define SENSOR_H

#include "usmp_rpc.h"

/* Bytes, the zero at the end included: a name of 64 characters. */
#define SENSOR_NAME_SIZE 193
#define SENSOR_PRODUCT "usmp-c-sensor"
#define SENSOR_VERSION_SIZE 16
/* Enough for each message of a sensor. */
#define SENSOR_MESSAGE_SIZE 1024
#define SENSOR_MIN_INTERVAL_MS 250u
#define SENSOR_MAX_INTERVAL_MS 3600000u
#define SENSOR_DEFAULT_INTERVAL_MS 1000u

typedef struct sensor {
  usmp_rpc_t rpc;
  const char *name;
  const char *chip;                  /* "host", "rv32" */
  char version[SENSOR_VERSION_SIZE]; /* of the firmware; "1.0.0" unless it is set after sensor_init */
  double phase;                      /* radians: no two sensors show the same curve */
  uint64_t uptime_ms;
  uint32_t now;
  uint32_t interval_ms;  /* between two readings */
  uint32_t next_reading; /* when */
  uint32_t blinking_ms;  /* for so long it still blinks, for a person who looks for it */
  bool connected;
} sensor_t;

/* `name` (UTF-8, up to 64 characters) and `chip` must stay valid. `seed` tells this sensor's curve from others: the device id, say. */
void sensor_init(sensor_t *sensor, const char *name, const char *chip, const uint8_t seed[6], uint32_t now);
/* False: out of range, and nothing has changed. */
bool sensor_set_interval(sensor_t *sensor, uint32_t interval_ms);
/* A session is established: the first reading is due. */
void sensor_connected(sensor_t *sensor, uint32_t now);
void sensor_lost(sensor_t *sensor, uint32_t now);
/* Takes a message of the session. The length of the answer to send, or 0. */
size_t sensor_receive(sensor_t *sensor, const uint8_t *message, size_t len, uint32_t now, char answer[SENSOR_MESSAGE_SIZE]);
/* The reading that is due, as a message to send; 0: none is, or there is no session. */
size_t sensor_poll(sensor_t *sensor, uint32_t now, char message[SENSOR_MESSAGE_SIZE]);
/* Milliseconds until sensor_poll has something to do; a second while there is no session. */
uint32_t sensor_wait(const sensor_t *sensor, uint32_t now);
/* True while a person should see it. */
bool sensor_is_blinking(const sensor_t *sensor);

#endif
