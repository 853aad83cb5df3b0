#include "sensor.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.28318530717958647692
#define SENSOR_VERSION "1.0.0"

/* ---- time ---- */

/* The clock is 32 bits and wraps; uptime must not. */
static void advance(sensor_t *sensor, uint32_t now)
{
  uint32_t elapsed = now - sensor->now;

  sensor->now = now;
  sensor->uptime_ms += elapsed;
  sensor->blinking_ms = sensor->blinking_ms > elapsed ? sensor->blinking_ms - elapsed : 0;
}

static uint32_t until_reading(const sensor_t *sensor, uint32_t now)
{
  int32_t left = (int32_t)(sensor->next_reading - now);
  return left > 0 ? (uint32_t)left : 0;
}

/* ---- readings ---- */

typedef struct reading {
  const char *name;
  const char *unit;
  double value;
} reading_t;

#define READINGS 5

static double rounded(double value)
{
  return floor(value * 100 + 0.5) / 100;
}

/* A room whose air warms and cools within minutes, so that a person who looks on sees it. */
static void measure(const sensor_t *sensor, reading_t out[READINGS])
{
  double t = (double)sensor->uptime_ms / 1000.0;
  double warmth = sin(TWO_PI * t / 240 + sensor->phase);
  double draught = sin(TWO_PI * t / 37 + 2 * sensor->phase);

  out[0] = (reading_t){"temperature",
                       "\xc2\xb0"
                       "C",
                       rounded(21.5 + 1.8 * warmth + 0.2 * draught)};
  out[1] = (reading_t){"humidity", "%", rounded(46 - 4.0 * warmth + 1.5 * draught)};
  out[2] = (reading_t){"pressure", "hPa", rounded(1013 + 3 * sin(TWO_PI * t / 3600 + sensor->phase))};
  out[3] = (reading_t){"battery", "V", rounded(2.6 + 0.4 / (1 + t / 2e6))};
  out[4] = (reading_t){"uptime", "s", floor(t)};
}

static size_t write_telemetry(const sensor_t *sensor, char *message)
{
  reading_t readings[READINGS];
  usmp_json_out_t out;

  measure(sensor, readings);
  usmp_rpc_notification(&out, message, SENSOR_MESSAGE_SIZE, "telemetry");
  usmp_json_open_object(&out, "values");
  for (int i = 0; i < READINGS; i++) usmp_json_put_number(&out, readings[i].name, readings[i].value);
  usmp_json_close_object(&out);
  return usmp_rpc_notification_end(&out);
}

/* ---- methods ---- */

static int describe(usmp_rpc_call_t *call);

static int identify(usmp_rpc_call_t *call)
{
  sensor_t *sensor = call->context;
  double seconds = 10;

  bool given = usmp_json_member(call->json, call->params, "seconds") >= 0;
  if (given && !usmp_rpc_number(call, "seconds", &seconds)) return USMP_RPC_INVALID_PARAMS;
  if (seconds < 1 || seconds > 60) return usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "seconds must be 1 to 60");
  sensor->blinking_ms = (uint32_t)(seconds * 1000);
  usmp_json_put_number(&call->result, "blinking", seconds);
  return 0;
}

static int set_interval(usmp_rpc_call_t *call)
{
  sensor_t *sensor = call->context;
  double seconds;

  if (!usmp_rpc_number(call, "seconds", &seconds)) return USMP_RPC_INVALID_PARAMS;
  bool fits = seconds > 0 && seconds <= 3600 && sensor_set_interval(sensor, (uint32_t)(seconds * 1000));
  if (!fits) return usmp_rpc_refuse(call, USMP_RPC_INVALID_PARAMS, "seconds must be 0.25 to 3600");
  usmp_json_put_number(&call->result, "seconds", seconds);
  return 0;
}

static const usmp_rpc_method_t methods[] = {{"describe", describe}, {"identify", identify}, {"set_interval", set_interval}};
#define METHODS (sizeof methods / sizeof methods[0])

static int describe(usmp_rpc_call_t *call)
{
  const sensor_t *sensor = call->context;
  usmp_json_out_t *out = &call->result;
  reading_t readings[READINGS];

  measure(sensor, readings);
  usmp_json_put_string(out, "name", sensor->name);
  usmp_json_open_object(out, "firmware");
  usmp_json_put_string(out, "product", SENSOR_PRODUCT);
  usmp_json_put_string(out, "version", sensor->version);
  usmp_json_put_string(out, "chip", sensor->chip);
  usmp_json_close_object(out);
  usmp_json_open_object(out, "units");
  for (int i = 0; i < READINGS; i++) usmp_json_put_string(out, readings[i].name, readings[i].unit);
  usmp_json_close_object(out);
  usmp_json_open_array(out, "methods");
  for (size_t i = 1; i < METHODS; i++) usmp_json_put_string(out, NULL, methods[i].name); /* without describe itself */
  usmp_json_close_array(out);
  return 0;
}

/* ---- the session ---- */

void sensor_init(sensor_t *sensor, const char *name, const char *chip, const uint8_t seed[6], uint32_t now)
{
  unsigned sum = 0;

  memset(sensor, 0, sizeof *sensor);
  for (int i = 0; i < 6; i++) sum = 31 * sum + seed[i];
  sensor->name = name;
  sensor->chip = chip;
  memcpy(sensor->version, SENSOR_VERSION, sizeof SENSOR_VERSION);
  sensor->phase = TWO_PI * (sum % 1000) / 1000;
  sensor->now = now;
  sensor->interval_ms = SENSOR_DEFAULT_INTERVAL_MS;
  usmp_rpc_init(&sensor->rpc, methods, METHODS, sensor);
}

bool sensor_set_interval(sensor_t *sensor, uint32_t interval_ms)
{
  if (interval_ms < SENSOR_MIN_INTERVAL_MS || interval_ms > SENSOR_MAX_INTERVAL_MS) return false;
  sensor->interval_ms = interval_ms;
  sensor->next_reading = sensor->now + interval_ms;
  return true;
}

void sensor_connected(sensor_t *sensor, uint32_t now)
{
  advance(sensor, now);
  usmp_rpc_begin(&sensor->rpc, now);
  sensor->connected = true;
  sensor->next_reading = now;
}

void sensor_lost(sensor_t *sensor, uint32_t now)
{
  advance(sensor, now);
  sensor->connected = false;
}

size_t sensor_receive(sensor_t *sensor, const uint8_t *message, size_t len, uint32_t now, char answer[SENSOR_MESSAGE_SIZE])
{
  advance(sensor, now);
  return usmp_rpc_receive(&sensor->rpc, message, len, now, answer, SENSOR_MESSAGE_SIZE);
}

size_t sensor_poll(sensor_t *sensor, uint32_t now, char message[SENSOR_MESSAGE_SIZE])
{
  advance(sensor, now);
  if (!sensor->connected || until_reading(sensor, now) > 0) return 0;
  sensor->next_reading += sensor->interval_ms;
  /* What was missed is not made up for. */
  if (until_reading(sensor, now) == 0) sensor->next_reading = now + sensor->interval_ms;
  return write_telemetry(sensor, message);
}

uint32_t sensor_wait(const sensor_t *sensor, uint32_t now)
{
  return sensor->connected ? until_reading(sensor, now) : 1000u;
}

bool sensor_is_blinking(const sensor_t *sensor)
{
  return sensor->blinking_ms > 0;
}
