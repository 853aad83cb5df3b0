/* MQTT on a host, by libmosquitto. Its own loop is driven here: mosquitto_loop_start ends for good after an error of TLS. */
#include <mosquitto.h>
#include <string.h>

#include "mqtt_port.h"

#define KEEPALIVE_S 60
#define LOOP_MS 1000
#define FLUSH_MS 50
#define FLUSH_ROUNDS 20
#define FIRST_BACKOFF_MS 500u
#define LONGEST_BACKOFF_MS 8000u

/* ---- waiting ---- */

void usmp_mqtt_port_lock(usmp_mqtt_t *mqtt)
{
  usmp_posix_monitor_lock(&mqtt->port.monitor);
}

void usmp_mqtt_port_unlock(usmp_mqtt_t *mqtt)
{
  usmp_posix_monitor_unlock(&mqtt->port.monitor);
}

void usmp_mqtt_port_wait(usmp_mqtt_t *mqtt, uint32_t wait_ms)
{
  usmp_posix_monitor_wait(&mqtt->port.monitor, wait_ms);
}

void usmp_mqtt_port_wake(usmp_mqtt_t *mqtt)
{
  usmp_posix_monitor_wake(&mqtt->port.monitor);
}

/* ---- callbacks, all in the thread of this client ---- */

static void on_connect(struct mosquitto *client, void *context, int code)
{
  usmp_mqtt_t *mqtt = context;
  char *const topics[] = {mqtt->link.down, mqtt->link.presence};

  if (code != 0) {
    mqtt->port.refused = true;
    usmp_mqtt_state_changed(mqtt, false, mosquitto_connack_string(code));
  } else if (mosquitto_subscribe_multiple(client, NULL, 2, topics, 0, 0, NULL) != MOSQ_ERR_SUCCESS) {
    usmp_mqtt_state_changed(mqtt, false, "cannot subscribe");
  }
}

/* 128 and above: refused. Presence is a hint, and may be. */
static void on_subscribe(struct mosquitto *client, void *context, int mid, int count, const int *granted)
{
  usmp_mqtt_t *mqtt = context;
  bool down_granted = count > 0 && granted[0] < 128;

  (void)client, (void)mid;
  mqtt->port.backoff_ms = FIRST_BACKOFF_MS;
  usmp_mqtt_state_changed(mqtt, down_granted, "the broker does not let this user read the device's topic");
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
  (void)client;
  if (message->payloadlen < 0) return;
  usmp_mqtt_message_came(context, message->topic, strlen(message->topic), message->payload, (size_t)message->payloadlen,
                         message->retain);
}

/* ---- the thread ---- */

static bool is_stopping(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_lock(mqtt);
  bool stopping = mqtt->port.stopping;
  usmp_mqtt_port_unlock(mqtt);
  return stopping;
}

/* Half of the pause is random, so that devices do not come back to a restarted broker all at once. */
static void back_off(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_t *port = &mqtt->port;
  uint8_t random = 0;

  (void)!usmp_port_random(&random, 1);
  uint32_t pause = port->backoff_ms / 2 + port->backoff_ms / 2 * random / 255u;
  port->backoff_ms = 2 * port->backoff_ms < LONGEST_BACKOFF_MS ? 2 * port->backoff_ms : LONGEST_BACKOFF_MS;
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;
  usmp_mqtt_port_lock(mqtt);
  while (!port->stopping && elapsed < pause) {
    usmp_mqtt_port_wait(mqtt, pause - elapsed);
    elapsed = usmp_port_millis() - begin;
  }
  usmp_mqtt_port_unlock(mqtt);
}

/* What was published last, a BYE for one, and the goodbye to the broker leave before the connection is closed. */
static void flush(struct mosquitto *client)
{
  for (int round = 0; round < FLUSH_ROUNDS && mosquitto_loop(client, FLUSH_MS, 1) == MOSQ_ERR_SUCCESS; round++) continue;
}

static void *run(void *context)
{
  usmp_mqtt_t *mqtt = context;
  int code = MOSQ_ERR_SUCCESS;

  while (!is_stopping(mqtt)) {
    if (code == MOSQ_ERR_SUCCESS) {
      code = mosquitto_loop(mqtt->port.client, LOOP_MS, 1);
      continue;
    }
    /* A refusal by the broker says more than the end of the connection that follows it. */
    if (!mqtt->port.refused) usmp_mqtt_state_changed(mqtt, false, mosquitto_strerror(code));
    back_off(mqtt);
    if (is_stopping(mqtt)) break;
    mqtt->port.refused = false;
    code = mosquitto_reconnect_async(mqtt->port.client);
  }
  flush(mqtt->port.client);
  return NULL;
}

/* ---- start and end ---- */

static int configure(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config, const usmp_mqtt_address_t *address)
{
  struct mosquitto *client = mqtt->port.client;
  int code = mosquitto_will_set(client, mqtt->link.lwt, 0, NULL, 0, false);

  if (code == MOSQ_ERR_SUCCESS) code = mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  if (code == MOSQ_ERR_SUCCESS) code = mosquitto_threaded_set(client, true);
  if (code == MOSQ_ERR_SUCCESS && config->username) {
    code = mosquitto_username_pw_set(client, config->username, config->password);
  }
  if (code == MOSQ_ERR_SUCCESS && address->tls) {
    const char *system_folder = config->ca ? NULL : "/etc/ssl/certs";
    code = mosquitto_tls_set(client, config->ca, system_folder, config->certificate, config->key, NULL);
  }
  if (code == MOSQ_ERR_SUCCESS) return USMP_OK;
  mqtt->problem = mosquitto_strerror(code);
  return USMP_ERR_INVALID_ARGUMENT;
}

static int launch(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config, const usmp_mqtt_address_t *address)
{
  struct mosquitto *client = mqtt->port.client;
  int err = configure(mqtt, config, address);

  if (err != USMP_OK) return err;
  mosquitto_connect_callback_set(client, on_connect);
  mosquitto_subscribe_callback_set(client, on_subscribe);
  mosquitto_message_callback_set(client, on_message);
  mqtt->port.backoff_ms = FIRST_BACKOFF_MS;
  /* One that fails here is tried again by the thread. */
  if (mosquitto_connect_async(client, address->host, address->port, KEEPALIVE_S) == MOSQ_ERR_INVAL)
    return USMP_ERR_INVALID_ARGUMENT;
  return pthread_create(&mqtt->port.thread, NULL, run, mqtt) == 0 ? USMP_OK : USMP_ERR_UNREACHABLE;
}

static void release(usmp_mqtt_t *mqtt)
{
  mosquitto_destroy(mqtt->port.client);
  mosquitto_lib_cleanup();
  usmp_posix_monitor_destroy(&mqtt->port.monitor);
  mqtt->port.client = NULL;
}

int usmp_mqtt_port_start(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config, const usmp_mqtt_address_t *address)
{
  if (usmp_posix_monitor_init(&mqtt->port.monitor) < 0) return USMP_ERR_UNREACHABLE;
  mosquitto_lib_init();
  mqtt->port.client = mosquitto_new(mqtt->link.client_id, true, mqtt);
  int err = mqtt->port.client ? launch(mqtt, config, address) : USMP_ERR_UNREACHABLE;
  if (err != USMP_OK) release(mqtt);
  return err;
}

void usmp_mqtt_port_stop(usmp_mqtt_t *mqtt)
{
  if (!mqtt->port.client) return;
  usmp_mqtt_port_lock(mqtt);
  mqtt->port.stopping = true;
  mqtt->connected = false;
  usmp_mqtt_port_wake(mqtt);
  usmp_mqtt_port_unlock(mqtt);
  mosquitto_disconnect(mqtt->port.client); /* wakes its loop, and the broker sends no will */
  pthread_join(mqtt->port.thread, NULL);
  release(mqtt);
}

int usmp_mqtt_port_publish(usmp_mqtt_t *mqtt, const uint8_t *data, size_t len)
{
  return mosquitto_publish(mqtt->port.client, NULL, mqtt->link.up, (int)len, data, 0, false) == MOSQ_ERR_SUCCESS ? 0 : -1;
}
