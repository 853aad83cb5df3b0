/* usmp-sensor: the sensor as a program of this machine, over TCP, UDP or an MQTT broker, or at the gateway that it finds. It comes back by itself, for as long as it
   runs: a device that waits for a person's approval must not give up. With --slots it takes updates: usmp-loader starts it then. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "find.h"
#include "image.h"
#include "loader.h"
#include "options.h"
#include "updates.h"
#include "usmp_posix.h"
#ifdef SENSOR_MQTT
#include "usmp_mqtt.h"
#endif

#define FIRST_PAUSE_MS 1000u
#define LONGEST_PAUSE_MS 30000u
#define LONGEST_WAIT_MS 1000u
#define LOOK_MS 50u
#define PREFER_NEW_MS 1000u /* for so long a gateway that was not tried yet is waited for */
#define FIND_MS 3000u

typedef struct program {
  sensor_options_t options;
  sensor_t sensor;
  updates_t updates;
  usmp_t ctx;
  sensor_finder_t finder;
#ifdef SENSOR_MQTT
  usmp_mqtt_t mqtt;
#endif
} program_t;

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
  (void)number;
  told_to_end = 1;
}

/* One line on the standard error. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  fputs("sensor: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

/* False: the program is to end. Called at least every 100 ms while the sensor is alive. */
static bool goes_on(program_t *p)
{
  updates_tick(&p->updates, usmp_port_millis());
  return !told_to_end && !updates_restart_wanted(&p->updates);
}

static uint32_t shorter(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* ---- the ways to a gateway ---- */

#ifdef SENSOR_MQTT

static int start_mqtt(program_t *p)
{
  const sensor_options_t *o = &p->options;
  const usmp_mqtt_config_t config = {
    .url = o->connect,
    .site = o->site,
    .username = o->username,
    .password = o->password[0] ? o->password : NULL,
    .ca = o->ca,
    .certificate = o->certificate,
    .key = o->key,
  };

  if (o->carrier != SENSOR_OVER_MQTT) return USMP_OK;
  int err = usmp_mqtt_start(&p->mqtt, &config);
  if (err != USMP_OK) say("cannot use the broker %s: wrong address, site or certificate files", o->connect);
  return err;
}

static void stop_mqtt(program_t *p)
{
  if (p->options.carrier == SENSOR_OVER_MQTT) usmp_mqtt_stop(&p->mqtt);
}

static int dial_mqtt(program_t *p, usmp_transport_t *transport)
{
  int err = usmp_transport_mqtt_init(transport, &p->mqtt);
  if (err == USMP_ERR_UNREACHABLE) say("no broker at %s: %s", p->options.connect, usmp_mqtt_problem(&p->mqtt));
  return err;
}

/* True when the pause is over. */
static bool pause_mqtt(program_t *p, uint32_t pause_ms)
{
  usmp_mqtt_pause(&p->mqtt, pause_ms);
  while (goes_on(p) && !usmp_mqtt_due(&p->mqtt, 100)) continue;
  return goes_on(p);
}

static usmp_err_t follow(program_t *p)
{
  return usmp_mqtt_follow(&p->ctx);
}

#else

static int start_mqtt(program_t *p)
{
  (void)p;
  return USMP_OK;
}

static void stop_mqtt(program_t *p)
{
  (void)p;
}

static int dial_mqtt(program_t *p, usmp_transport_t *transport)
{
  (void)p, (void)transport;
  return USMP_ERR_INVALID_ARGUMENT;
}

static bool pause_mqtt(program_t *p, uint32_t pause_ms)
{
  (void)p, (void)pause_ms;
  return false;
}

static usmp_err_t follow(program_t *p)
{
  (void)p;
  return USMP_OK;
}

#endif

/* A gateway in the local network. */
static int start_finder(program_t *p)
{
  const sensor_options_t *o = &p->options;

  if (o->carrier != SENSOR_FINDS) return USMP_OK;
  int err = sensor_finder_start(&p->finder, o->find_site[0] ? o->find_site : NULL, (uint16_t)o->port);
  if (err != USMP_OK) say("cannot search: %s", usmp_err_name(err));
  return err;
}

static int dial_found(program_t *p, usmp_transport_t *transport)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;
  char where[32];

  sensor_finder_ask(&p->finder);
  for (; goes_on(p) && elapsed < FIND_MS; elapsed = usmp_port_millis() - begin) {
    sensor_finder_look(&p->finder, LOOK_MS);
    int err = sensor_finder_dial(&p->finder, elapsed >= PREFER_NEW_MS, transport, where);
    if (err == 1) continue;
    say("found a gateway at %s", where);
    return err;
  }
  if (goes_on(p))
    say("no gateway answers in this network%s%s", p->options.find_site[0] ? ", of the site " : "", p->options.find_site);
  return USMP_ERR_UNREACHABLE;
}

static int dial(program_t *p, usmp_transport_t *transport)
{
  const sensor_options_t *o = &p->options;

  if (sensor_image.fault == SENSOR_CANNOT_CONNECT) return USMP_ERR_UNREACHABLE;
  if (o->carrier == SENSOR_OVER_MQTT) return dial_mqtt(p, transport);
  if (o->carrier == SENSOR_FINDS) return dial_found(p, transport);
  if (o->carrier == SENSOR_UDP) return usmp_transport_udp_init(transport, o->host, o->port);
  return usmp_transport_tcp_init(transport, o->host, o->port);
}

/* ---- sessions ---- */

static usmp_err_t shake_hands(program_t *p)
{
  usmp_transport_t transport = {0};
  usmp_err_t err = (usmp_err_t)dial(p, &transport);

  if (err == USMP_OK) err = usmp_connect_async(&p->ctx, &transport);
  while (err == USMP_OK && !usmp_is_connected(&p->ctx) && goes_on(p)) {
    usmp_port_delay_ms(5);
    err = usmp_step(&p->ctx);
  }
  return err;
}

static usmp_err_t send_text(program_t *p, const char *text, size_t len)
{
  return len > 0 ? usmp_send(&p->ctx, (const uint8_t *)text, (uint16_t)len) : USMP_OK;
}

/* A reading that is due, or a message and its answer. */
static usmp_err_t poll_once(program_t *p)
{
  uint8_t message[USMP_MAX_MESSAGE_LEN];
  char text[SENSOR_MESSAGE_SIZE];
  bool blinked = sensor_is_blinking(&p->sensor);
  size_t reading = sensor_poll(&p->sensor, usmp_port_millis(), text);
  usmp_err_t err = send_text(p, text, reading);

  if (err == USMP_OK && reading > 0) updates_self_test_passed(&p->updates);
  if (err == USMP_OK) err = updates_send(&p->updates, &p->ctx);
  if (err == USMP_OK) err = follow(p);
  if (err != USMP_OK || updates_restart_wanted(&p->updates)) return err;
  uint32_t now = usmp_port_millis();
  uint32_t wait = shorter(shorter(sensor_wait(&p->sensor, now), updates_wait(&p->updates, now)), LONGEST_WAIT_MS);
  p->ctx.recv_timeout_ms = wait > 0 ? wait : 1;
  int len = usmp_recv(&p->ctx, message, sizeof message);
  if (len == USMP_ERR_MESSAGE_TOO_LARGE) return USMP_OK;
  if (len < 0) return (usmp_err_t)len;
  if (p->ctx.timed_out || updates_take(&p->updates, message, (size_t)len, usmp_port_millis())) return USMP_OK;
  err = send_text(p, text, sensor_receive(&p->sensor, message, (size_t)len, usmp_port_millis(), text));
  if (!blinked && sensor_is_blinking(&p->sensor)) say("blinking: somebody wants to find me");
  return err;
}

/* Until the session or the program ends. */
static usmp_err_t serve(program_t *p)
{
  usmp_err_t err = USMP_OK;

  say("session established");
  sensor_connected(&p->sensor, usmp_port_millis());
  updates_connected(&p->updates, usmp_port_millis());
  while (err == USMP_OK && goes_on(p)) err = poll_once(p);
  updates_lost(&p->updates);
  sensor_lost(&p->sensor, usmp_port_millis());
  return err;
}

/* Half of it is random, so that sensors which lost the same gateway do not come back all at once. */
static bool pause_before_next(program_t *p, uint32_t pause_ms)
{
  uint8_t random = 0;

  (void)!usmp_port_random(&random, 1);
  pause_ms = pause_ms / 2 + pause_ms / 2 * random / 255u;
  if (p->options.carrier == SENSOR_OVER_MQTT) return pause_mqtt(p, pause_ms);
  for (uint32_t waited = 0; waited < pause_ms && goes_on(p); waited += 10) usmp_port_delay_ms(10);
  return goes_on(p);
}

static const char *likely_reason(usmp_err_t err)
{
  if (err == USMP_ERR_HANDSHAKE_TIMEOUT) return ": not approved yet, another key, or no gateway";
  return err == USMP_ERR_HANDSHAKE_REFUSED ? ": not approved yet, or another key" : "";
}

static void run(program_t *p)
{
  uint32_t pause = FIRST_PAUSE_MS;

  do {
    usmp_err_t err = shake_hands(p);
    if (err == USMP_OK && goes_on(p)) {
      pause = FIRST_PAUSE_MS;
      err = serve(p);
      if (goes_on(p)) say("session ended: %s", usmp_err_name(err));
    } else if (goes_on(p)) {
      say("no session: %s%s", usmp_err_name(err), likely_reason(err));
    }
    usmp_close(&p->ctx);
    if (!pause_before_next(p, pause)) break;
    pause = shorter(2 * pause, LONGEST_PAUSE_MS);
  } while (goes_on(p));
}

/* Builds that a test of updates must get rid of. */
static void suffer(sensor_fault_t fault)
{
  if (fault == SENSOR_CRASHES) abort();
  while (fault == SENSOR_HANGS && !told_to_end) usmp_port_delay_ms(10);
}

/* What a person compares with what the gateway shows for the key that was typed there. */
static void say_who(const sensor_options_t *o)
{
  const uint8_t *id = o->device_id;
  char fingerprint[USMP_FINGERPRINT_SIZE];
  int err = usmp_psk_fingerprint(usmp_port_crypto(), o->psk, o->psk_len, id, fingerprint);

  say("device %02x:%02x:%02x:%02x:%02x:%02x, fingerprint of its key %s", id[0], id[1], id[2], id[3], id[4], id[5],
      err == USMP_OK ? fingerprint : usmp_err_name(err));
}

static void init_sensor(program_t *p)
{
  const sensor_options_t *o = &p->options;
  uint32_t version = sensor_image.version;

  sensor_init(&p->sensor, o->name, "host", o->device_id, usmp_port_millis());
  sensor_set_interval(&p->sensor, o->interval_ms);
  snprintf(p->sensor.version, sizeof p->sensor.version, "%u.%u.%u", (unsigned)(version >> 24), (unsigned)(version >> 16 & 0xFF),
           (unsigned)(version & 0xFFFF));
}

int main(int argc, char **argv)
{
  static program_t program;
  struct sigaction action = {.sa_handler = on_signal};

  setvbuf(stderr, NULL, _IOLBF, 0);
  int code = sensor_read_options(argc, argv, &program.options);
  if (code == 0) {
    const sensor_options_t *o = &program.options;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    suffer(sensor_image.fault);
    usmp_posix_set_device_id(o->device_id);
    program.ctx = (usmp_t){.psk = o->psk, .psk_len = o->psk_len, .keepalive_ms = USMP_KEEPALIVE_MS};
    init_sensor(&program);
    say_who(o);
    code = updates_start(&program.updates, o, &program.sensor.rpc, usmp_port_millis());
    if (code == 0 && (start_mqtt(&program) != USMP_OK || start_finder(&program) != USMP_OK)) code = 2;
    if (code == 0) {
      run(&program);
      stop_mqtt(&program);
      if (o->carrier == SENSOR_FINDS) sensor_finder_stop(&program.finder);
      code = updates_restart_wanted(&program.updates) ? USMP_LOADER_RESTART : EXIT_SUCCESS;
    }
    updates_stop(&program.updates);
  }
  usmp_wipe(&program, sizeof program);
  return code;
}
