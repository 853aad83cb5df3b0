/* What tells one build of usmp-sensor from another: its version, and, for tests of updates, what is wrong with it. */
#ifndef SENSOR_IMAGE_H
#define SENSOR_IMAGE_H

#include <stdint.h>

typedef enum sensor_fault {
  SENSOR_SOUND,
  SENSOR_HANGS,         /* does nothing after the start, not even feed the watchdog */
  SENSOR_CRASHES,       /* at once */
  SENSOR_CANNOT_CONNECT /* runs, and never reaches a gateway */
} sensor_fault_t;

typedef struct sensor_image {
  uint32_t version; /* as USMP_OTA_VERSION packs it */
  sensor_fault_t fault;
  uint32_t confirm_within_ms; /* how long it may be on trial; 0: as the library has it */
} sensor_image_t;

extern const sensor_image_t sensor_image;

#endif
