/* The transport over what an MQTT client queues. */
#include <string.h>

#include "mqtt_port.h"

#define BROKER_WAIT_MS 5000u
#define LONGEST_WAIT_MS 500u /* between two feedings of the watchdog */
#define CALL_JITTER_MS 2000u

static uint32_t shorter(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* ---- what the client tells ---- */

void usmp_mqtt_state_changed(usmp_mqtt_t *mqtt, bool connected, const char *problem)
{
  usmp_mqtt_port_lock(mqtt);
  if (connected && !mqtt->connected) usmp_mqtt_link_call(&mqtt->link, usmp_port_millis());
  mqtt->connected = connected;
  mqtt->problem = connected ? "" : problem;
  usmp_mqtt_port_wake(mqtt);
  usmp_mqtt_port_unlock(mqtt);
}

void usmp_mqtt_message_came(usmp_mqtt_t *mqtt, const char *topic, size_t topic_len, const void *payload, size_t len,
                            bool retained)
{
  usmp_mqtt_port_lock(mqtt);
  if (usmp_mqtt_link_message(&mqtt->link, topic, topic_len, payload, len, retained, usmp_port_millis())) {
    usmp_mqtt_port_wake(mqtt);
  }
  usmp_mqtt_port_unlock(mqtt);
}

/* ---- the transport ---- */

static bool is_connected(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_lock(mqtt);
  bool connected = mqtt->connected;
  usmp_mqtt_port_unlock(mqtt);
  return connected;
}

/* Without a broker a datagram is lost at once, so that nothing stale is sent when it comes back. */
static int mqtt_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  usmp_mqtt_t *mqtt = t->ctx;

  if (!is_connected(mqtt) || usmp_mqtt_port_publish(mqtt, data, len) != 0) return USMP_ERR_TRANSPORT_FAILED;
  return (int)len;
}

static int mqtt_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  usmp_mqtt_t *mqtt = t->ctx;
  int result = USMP_ERR_TRANSPORT_FAILED;

  usmp_mqtt_port_lock(mqtt);
  if (mqtt->open && mqtt->link.count == 0 && t->wait_ms > 0) usmp_mqtt_port_wait(mqtt, t->wait_ms);
  if (mqtt->open && !usmp_mqtt_link_is_silent(&mqtt->link, usmp_port_millis())) {
    result = (int)usmp_mqtt_link_take(&mqtt->link, buf, max_len);
  }
  usmp_mqtt_port_unlock(mqtt);
  return result;
}

static int mqtt_available(usmp_transport_t *t)
{
  usmp_mqtt_t *mqtt = t->ctx;

  usmp_mqtt_port_lock(mqtt);
  int available = mqtt->link.count > 0;
  usmp_mqtt_port_unlock(mqtt);
  return available;
}

/* The connection to the broker stays: hints come on it, and the next session. */
static void mqtt_close(usmp_transport_t *t)
{
  usmp_mqtt_t *mqtt = t->ctx;

  usmp_mqtt_port_lock(mqtt);
  mqtt->open = false;
  usmp_mqtt_port_wake(mqtt);
  usmp_mqtt_port_unlock(mqtt);
}

static int mqtt_reconnect(usmp_transport_t *t)
{
  usmp_mqtt_t *mqtt = t->ctx;
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  usmp_mqtt_port_lock(mqtt);
  while (!mqtt->connected && elapsed < BROKER_WAIT_MS) {
    usmp_mqtt_port_wait(mqtt, shorter(BROKER_WAIT_MS - elapsed, LONGEST_WAIT_MS));
    usmp_port_wdt_feed();
    elapsed = usmp_port_millis() - begin;
  }
  usmp_mqtt_link_attempt(&mqtt->link, usmp_port_millis());
  mqtt->open = mqtt->connected;
  usmp_mqtt_port_unlock(mqtt);
  return mqtt->open ? USMP_OK : USMP_ERR_UNREACHABLE;
}

static void mqtt_destroy(usmp_transport_t *t)
{
  mqtt_close(t);
  usmp_mqtt_stop(t->ctx);
}

int usmp_transport_mqtt_init(usmp_transport_t *transport, usmp_mqtt_t *mqtt)
{
  if (!transport || !mqtt) return USMP_ERR_INVALID_ARGUMENT;
  memset(transport, 0, sizeof *transport);
  transport->send = mqtt_send;
  transport->recv = mqtt_recv;
  transport->close = mqtt_close;
  transport->reconnect = mqtt_reconnect;
  transport->available = mqtt_available;
  transport->destroy = mqtt_destroy;
  transport->ctx = mqtt;
  transport->kind = USMP_KIND_DATAGRAM;
  transport->fd = -1;
  return mqtt_reconnect(transport);
}

/* ---- the client ---- */

int usmp_mqtt_start(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config)
{
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  uint8_t random[2];
  usmp_mqtt_address_t address;

  if (!mqtt || !config || !config->url || !config->certificate != !config->key) return USMP_ERR_INVALID_ARGUMENT;
  memset(mqtt, 0, sizeof *mqtt);
  mqtt->problem = "not connected yet";
  if (usmp_mqtt_parse_url(config->url, &address) != USMP_OK) return USMP_ERR_INVALID_ARGUMENT;
  if (usmp_port_get_device_id(device_id, sizeof device_id) != 0) return USMP_ERR_INVALID_ARGUMENT;
  if (usmp_port_random(random, sizeof random) != 0) return USMP_ERR_RANDOM_FAILED;
  if (usmp_mqtt_link_init(&mqtt->link, config->site, device_id, random) != USMP_OK) return USMP_ERR_INVALID_ARGUMENT;
  return usmp_mqtt_port_start(mqtt, config, &address);
}

void usmp_mqtt_stop(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_stop(mqtt);
}

const char *usmp_mqtt_problem(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_lock(mqtt);
  const char *problem = mqtt->problem;
  usmp_mqtt_port_unlock(mqtt);
  return problem;
}

/* ---- hints ---- */

usmp_err_t usmp_mqtt_follow(usmp_t *ctx)
{
  if (ctx->transport.destroy != mqtt_destroy) return USMP_OK;
  usmp_mqtt_t *mqtt = ctx->transport.ctx;
  usmp_mqtt_port_lock(mqtt);
  bool ask = usmp_mqtt_link_check(&mqtt->link, usmp_port_millis());
  usmp_mqtt_port_unlock(mqtt);
  return ask ? usmp_ping(ctx) : USMP_OK;
}

/* Without randomness all devices would come back at the same moment: bad for the gateway, and no danger. */
static uint32_t call_jitter(void)
{
  uint8_t random[2] = {0};

  if (usmp_port_random(random, sizeof random) != 0) return 0;
  return (uint32_t)(random[0] << 8 | random[1]) % CALL_JITTER_MS;
}

void usmp_mqtt_pause(usmp_mqtt_t *mqtt, uint32_t pause_ms)
{
  uint32_t jitter = call_jitter();

  usmp_mqtt_port_lock(mqtt);
  usmp_mqtt_link_pause(&mqtt->link, pause_ms, jitter, usmp_port_millis());
  usmp_mqtt_port_unlock(mqtt);
}

bool usmp_mqtt_due(usmp_mqtt_t *mqtt, uint32_t wait_ms)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;
  uint32_t left;

  usmp_mqtt_port_lock(mqtt);
  while ((left = usmp_mqtt_link_due_in(&mqtt->link, usmp_port_millis())) > 0 && elapsed < wait_ms) {
    usmp_port_wdt_feed();
    usmp_mqtt_port_wait(mqtt, shorter(shorter(left, wait_ms - elapsed), LONGEST_WAIT_MS));
    elapsed = usmp_port_millis() - begin;
  }
  usmp_mqtt_port_unlock(mqtt);
  return left == 0;
}
