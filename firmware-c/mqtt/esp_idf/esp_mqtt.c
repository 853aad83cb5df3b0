/* MQTT on ESP-IDF, from 5.2 on, by esp-mqtt. Its events come in a task of its own, which holds a lock of esp-mqtt: so nothing here
   calls esp-mqtt with our lock taken. */
#include <sdkconfig.h>
#include <string.h>
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
#include <esp_crt_bundle.h>
#endif
#include <esp_transport.h>
#include <esp_transport_ssl.h>
#include <esp_transport_tcp.h>
#include <lwip/sockets.h>
#include <mqtt_client.h>

#include "mqtt_port.h"

#define KEEPALIVE_S 60
#define RECONNECT_MS 3000
#define NETWORK_TIMEOUT_MS 5000
/* A frame, its topic and the MQTT header. What is longer is not for us, and comes in parts. */
#define BUFFER_SIZE 640

/* Part of tcp_transport since ESP-IDF 4.4, but declared in a private header only. */
int esp_transport_get_socket(esp_transport_handle_t transport);

/* ---- waiting ---- */

void usmp_mqtt_port_lock(usmp_mqtt_t *mqtt)
{
  xSemaphoreTake(mqtt->port.mutex, portMAX_DELAY);
}

void usmp_mqtt_port_unlock(usmp_mqtt_t *mqtt)
{
  xSemaphoreGive(mqtt->port.mutex);
}

void usmp_mqtt_port_wait(usmp_mqtt_t *mqtt, uint32_t wait_ms)
{
  TickType_t ticks = pdMS_TO_TICKS(wait_ms);

  usmp_mqtt_port_unlock(mqtt);
  xSemaphoreTake(mqtt->port.changed, ticks > 0 ? ticks : 1);
  usmp_mqtt_port_lock(mqtt);
}

void usmp_mqtt_port_wake(usmp_mqtt_t *mqtt)
{
  xSemaphoreGive(mqtt->port.changed);
}

/* ---- events ---- */

/* An acknowledgement and a message are two small packets: Nagle's algorithm would hold the second one back. */
static void send_without_delay(const usmp_mqtt_t *mqtt)
{
  int fd = esp_transport_get_socket(mqtt->port.transport);
  int one = 1;

  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void on_connected(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_t *port = &mqtt->port;

  send_without_delay(mqtt);
  port->subscription = esp_mqtt_client_subscribe(port->client, mqtt->link.down, 0);
  if (port->subscription < 0) {
    usmp_mqtt_state_changed(mqtt, false, "cannot subscribe");
    return;
  }
  esp_mqtt_client_subscribe(port->client, mqtt->link.presence, 0); /* a hint, which may be refused */
}

/* The answer's byte: 128 and above is a refusal. */
static void on_subscribed(usmp_mqtt_t *mqtt, const esp_mqtt_event_t *event)
{
  if (event->msg_id != mqtt->port.subscription) return;
  bool granted = event->data_len < 1 || (uint8_t)event->data[0] < 128;
  usmp_mqtt_state_changed(mqtt, granted, "the broker does not let this user read the device's topic");
}

static void on_error(usmp_mqtt_t *mqtt, const esp_mqtt_event_t *event)
{
  const esp_mqtt_error_codes_t *error = event->error_handle;
  const char *problem = "cannot reach the broker";

  mqtt->port.refused = error && error->error_type == MQTT_ERROR_TYPE_CONNECTION_REFUSED;
  if (mqtt->port.refused) {
    bool unknown = error->connect_return_code == MQTT_CONNECTION_REFUSE_BAD_USERNAME ||
                   error->connect_return_code == MQTT_CONNECTION_REFUSE_NOT_AUTHORIZED;
    problem = unknown ? "the broker refused user name or password" : "the broker refused the connection";
  }
  usmp_mqtt_state_changed(mqtt, false, problem);
}

/* A message in parts is longer than any datagram; the parts behind the first have no topic. */
static void on_data(usmp_mqtt_t *mqtt, const esp_mqtt_event_t *event)
{
  bool whole = event->current_data_offset == 0 && event->data_len == event->total_data_len;

  if (!whole || !event->topic || event->topic_len <= 0 || event->data_len < 0) return;
  usmp_mqtt_message_came(mqtt, event->topic, (size_t)event->topic_len, event->data, (size_t)event->data_len, event->retain);
}

static void on_event(void *context, esp_event_base_t base, int32_t id, void *data)
{
  usmp_mqtt_t *mqtt = context;
  const esp_mqtt_event_t *event = data;

  (void)base;
  switch ((esp_mqtt_event_id_t)id) {
    case MQTT_EVENT_BEFORE_CONNECT: mqtt->port.refused = false; break;
    case MQTT_EVENT_CONNECTED: on_connected(mqtt); break;
    case MQTT_EVENT_SUBSCRIBED: on_subscribed(mqtt, event); break;
    case MQTT_EVENT_DATA: on_data(mqtt, event); break;
    case MQTT_EVENT_ERROR: on_error(mqtt, event); break;
    case MQTT_EVENT_DISCONNECTED:
      /* A refusal by the broker says more than the end of the connection that follows it. */
      if (!mqtt->port.refused) usmp_mqtt_state_changed(mqtt, false, "the connection to the broker was lost");
      break;
    default: break;
  }
}

/* ---- start and end ---- */

/* Null: no memory, or no certificate to trust. */
static esp_transport_handle_t make_transport(const usmp_mqtt_config_t *config, bool tls)
{
  if (!tls) return esp_transport_tcp_init();
#if !CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
  if (!config->ca) return NULL;
#endif
  esp_transport_handle_t transport = esp_transport_ssl_init();
  if (!transport) return NULL;
  if (config->ca) {
    esp_transport_ssl_set_cert_data(transport, config->ca, (int)strlen(config->ca));
  } else {
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
    esp_transport_ssl_crt_bundle_attach(transport, esp_crt_bundle_attach);
#endif
  }
  if (config->certificate) {
    esp_transport_ssl_set_client_cert_data(transport, config->certificate, (int)strlen(config->certificate));
    esp_transport_ssl_set_client_key_data(transport, config->key, (int)strlen(config->key));
  }
  return transport;
}

int usmp_mqtt_port_start(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config, const usmp_mqtt_address_t *address)
{
  usmp_mqtt_port_t *port = &mqtt->port;

  port->mutex = xSemaphoreCreateMutexStatic(&port->mutex_memory);
  port->changed = xSemaphoreCreateBinaryStatic(&port->changed_memory);
  port->transport = make_transport(config, address->tls);
  if (!port->transport) return address->tls && !config->ca ? USMP_ERR_INVALID_ARGUMENT : USMP_ERR_UNREACHABLE;
  const esp_mqtt_client_config_t client = {
    .broker.address.hostname = address->host,
    .broker.address.port = (uint32_t)address->port,
    .broker.address.transport = address->tls ? MQTT_TRANSPORT_OVER_SSL : MQTT_TRANSPORT_OVER_TCP,
    .credentials.client_id = mqtt->link.client_id,
    .credentials.username = config->username,
    .credentials.authentication.password = config->password,
    .session.last_will.topic = mqtt->link.lwt,
    .session.last_will.msg = "",
    .session.keepalive = KEEPALIVE_S,
    .session.protocol_ver = MQTT_PROTOCOL_V_3_1_1,
    .network.transport = port->transport, /* our own, so that its socket can be reached */
    .network.reconnect_timeout_ms = RECONNECT_MS,
    .network.timeout_ms = NETWORK_TIMEOUT_MS,
    .buffer.size = BUFFER_SIZE,
    .buffer.out_size = BUFFER_SIZE,
  };
  port->client = esp_mqtt_client_init(&client);
  if (!port->client) return USMP_ERR_UNREACHABLE; /* it may have ended the transport, or not */
  if (esp_mqtt_client_register_event(port->client, MQTT_EVENT_ANY, on_event, mqtt) == ESP_OK &&
      esp_mqtt_client_start(port->client) == ESP_OK) {
    return USMP_OK;
  }
  usmp_mqtt_port_stop(mqtt);
  return USMP_ERR_UNREACHABLE;
}

void usmp_mqtt_port_stop(usmp_mqtt_t *mqtt)
{
  usmp_mqtt_port_t *port = &mqtt->port;

  if (!port->client) return;
  esp_mqtt_client_stop(port->client);    /* says goodbye, so that the broker sends no will */
  esp_mqtt_client_destroy(port->client); /* with its transport */
  port->client = NULL;
  mqtt->connected = false;
  vSemaphoreDelete(port->changed);
  vSemaphoreDelete(port->mutex);
}

/* esp_mqtt_client_enqueue would not do: without `store` it drops messages of QoS 0, and with it each waits for up to a second. */
int usmp_mqtt_port_publish(usmp_mqtt_t *mqtt, const uint8_t *data, size_t len)
{
  return esp_mqtt_client_publish(mqtt->port.client, mqtt->link.up, (const char *)data, (int)len, 0, 0) >= 0 ? 0 : -1;
}
