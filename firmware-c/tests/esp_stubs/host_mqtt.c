#include "host_mqtt.h"

#include <esp_crt_bundle.h>
#include <esp_transport_ssl.h>
#include <esp_transport_tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

stub_mqtt_t stub_mqtt;
int esp_transport_get_socket(esp_transport_handle_t transport);

static esp_transport_handle_t open_transport(void)
{
  stub_mqtt.fd = socket(AF_INET, SOCK_STREAM, 0);
  return (esp_transport_handle_t)&stub_mqtt;
}

esp_transport_handle_t esp_transport_tcp_init(void)
{
  return open_transport();
}

esp_transport_handle_t esp_transport_ssl_init(void)
{
  stub_mqtt.tls = true;
  return open_transport();
}

void esp_transport_ssl_set_cert_data(esp_transport_handle_t transport, const char *data, int len)
{
  (void)transport;
  if ((size_t)len == strlen(data)) stub_mqtt.ca = data;
}

void esp_transport_ssl_set_client_cert_data(esp_transport_handle_t transport, const char *data, int len)
{
  (void)transport;
  if ((size_t)len == strlen(data)) stub_mqtt.certificate = data;
}

void esp_transport_ssl_set_client_key_data(esp_transport_handle_t transport, const char *data, int len)
{
  (void)transport;
  if ((size_t)len == strlen(data)) stub_mqtt.key = data;
}

void esp_transport_ssl_crt_bundle_attach(esp_transport_handle_t transport, esp_err_t (*attach)(void *conf))
{
  (void)transport;
  stub_mqtt.bundle = attach != NULL;
}

esp_err_t esp_crt_bundle_attach(void *conf)
{
  (void)conf;
  return ESP_OK;
}

int esp_transport_get_socket(esp_transport_handle_t transport)
{
  return ((stub_mqtt_t *)transport)->fd;
}

esp_mqtt_client_handle_t esp_mqtt_client_init(const esp_mqtt_client_config_t *config)
{
  stub_mqtt.config = *config;
  snprintf(stub_mqtt.will_topic, sizeof stub_mqtt.will_topic, "%s", config->session.last_will.topic);
  snprintf(stub_mqtt.client_id, sizeof stub_mqtt.client_id, "%s", config->credentials.client_id);
  snprintf(stub_mqtt.host, sizeof stub_mqtt.host, "%s", config->broker.address.hostname);
  return (esp_mqtt_client_handle_t)&stub_mqtt;
}

esp_err_t esp_mqtt_client_register_event(esp_mqtt_client_handle_t client, esp_mqtt_event_id_t event,
                                         esp_event_handler_t handler, void *argument)
{
  (void)client;
  stub_mqtt.handler = handler;
  stub_mqtt.argument = argument;
  return event == MQTT_EVENT_ANY ? ESP_OK : -1;
}

esp_err_t esp_mqtt_client_start(esp_mqtt_client_handle_t client)
{
  (void)client;
  stub_mqtt.running = true;
  return ESP_OK;
}

esp_err_t esp_mqtt_client_stop(esp_mqtt_client_handle_t client)
{
  (void)client;
  stub_mqtt.running = false;
  return ESP_OK;
}

esp_err_t esp_mqtt_client_destroy(esp_mqtt_client_handle_t client)
{
  (void)client;
  close(stub_mqtt.fd);
  stub_mqtt.destroyed++;
  return ESP_OK;
}

int esp_mqtt_client_subscribe(esp_mqtt_client_handle_t client, const char *topic, int qos)
{
  (void)client;
  if (qos != 0 || stub_mqtt.subscriptions == 2) return -1;
  snprintf(stub_mqtt.subscribed[stub_mqtt.subscriptions], sizeof stub_mqtt.subscribed[0], "%s", topic);
  return 100 + stub_mqtt.subscriptions++;
}

int esp_mqtt_client_publish(esp_mqtt_client_handle_t client, const char *topic, const char *data, int len, int qos, int retain)
{
  (void)client;
  stub_mqtt.published++;
  if (qos != 0 || retain != 0 || !stub_mqtt.on_publish) return -1;
  stub_mqtt.on_publish(topic, data, len);
  return 0;
}

void stub_mqtt_event(esp_mqtt_event_t event)
{
  stub_mqtt.handler(stub_mqtt.argument, "MQTT_EVENTS", event.event_id, &event);
}
