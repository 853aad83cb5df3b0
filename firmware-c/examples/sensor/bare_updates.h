/* Updates of the sensor on a board without operating system: two slots in the flash of QEMU's virt, a boot loader before it. Without
   SENSOR_OTA the functions do nothing. */
#ifndef SENSOR_BARE_UPDATES_H
#define SENSOR_BARE_UPDATES_H

#include "sensor.h"
#include "usmp_serial_client.h"

#ifdef SENSOR_OTA

/* The seed of this start: that of the identity, changed with each start since the power came. */
const uint8_t *bare_updates_seed(const uint8_t seed[32]);
/* False: the flash or its record cannot be read. Adds the methods of updates to the sensor's. */
bool bare_updates_start(sensor_t *sensor, uint32_t now);
/* The line that the sensor is to use: a broken image of a test has none, or does not come back from here. */
const usmp_uart_t *bare_updates_line(const usmp_uart_t *uart);
void bare_updates_connected(uint32_t now);
void bare_updates_lost(void);
/* True: the message was for the update, and is done with. */
bool bare_updates_take(const uint8_t *message, size_t len, uint32_t now);
/* Sends what is due; restarts the board when that is wanted. `measured`: a reading has left, so the sensor works. */
void bare_updates_poll(usmp_serial_client_t *serial, bool measured, uint32_t now);
uint32_t bare_updates_wait(uint32_t now);

#else

static inline const uint8_t *bare_updates_seed(const uint8_t seed[32])
{
  return seed;
}

static inline bool bare_updates_start(sensor_t *sensor, uint32_t now)
{
  (void)sensor, (void)now;
  return true;
}

static inline const usmp_uart_t *bare_updates_line(const usmp_uart_t *uart)
{
  return uart;
}

static inline void bare_updates_connected(uint32_t now)
{
  (void)now;
}

static inline void bare_updates_lost(void) {}

static inline bool bare_updates_take(const uint8_t *message, size_t len, uint32_t now)
{
  (void)message, (void)len, (void)now;
  return false;
}

static inline void bare_updates_poll(usmp_serial_client_t *serial, bool measured, uint32_t now)
{
  (void)serial, (void)measured, (void)now;
}

static inline uint32_t bare_updates_wait(uint32_t now)
{
  (void)now;
  return UINT32_MAX;
}

#endif
#endif
