#include "image.h"

#ifndef SENSOR_VERSION_MAJOR
#define SENSOR_VERSION_MAJOR 1
#define SENSOR_VERSION_MINOR 0
#define SENSOR_VERSION_PATCH 0
#define SENSOR_FAULT SENSOR_SOUND
#endif

#ifndef SENSOR_CONFIRM_WITHIN_MS
#define SENSOR_CONFIRM_WITHIN_MS 0
#endif

const sensor_image_t sensor_image = {
  .version = (uint32_t)SENSOR_VERSION_MAJOR << 24 | (uint32_t)SENSOR_VERSION_MINOR << 16 | SENSOR_VERSION_PATCH,
  .fault = SENSOR_FAULT,
  .confirm_within_ms = SENSOR_CONFIRM_WITHIN_MS,
};
