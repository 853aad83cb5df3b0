#include "carrier.h"

#include "sdkconfig.h"

#if CONFIG_EXAMPLE_WS
#include "usmp_ws.h"
#endif
#if CONFIG_EXAMPLE_MQTT

#include "usmp_mqtt.h"

static usmp_mqtt_t mqtt;

static const char *unless_empty(const char *text)
{
  return text[0] ? text : NULL;
}

int carrier_start(void)
{
  const usmp_mqtt_config_t config = {
    .url = CONFIG_EXAMPLE_BROKER,
    .site = CONFIG_EXAMPLE_SITE,
    .username = unless_empty(CONFIG_EXAMPLE_BROKER_USER),
    .password = unless_empty(CONFIG_EXAMPLE_BROKER_PASSWORD),
  };
  return usmp_mqtt_start(&mqtt, &config);
}

int carrier_open(usmp_transport_t *transport)
{
  return usmp_transport_mqtt_init(transport, &mqtt);
}

int carrier_follow(usmp_t *session)
{
  return usmp_mqtt_follow(session);
}

/* Shorter, when the gateway says so: it was approved there, or the gateway is back. */
void carrier_pause(uint32_t pause_ms)
{
  usmp_mqtt_pause(&mqtt, pause_ms);
  while (!usmp_mqtt_due(&mqtt, 1000)) continue;
}

#else

int carrier_start(void)
{
  return 0;
}

int carrier_open(usmp_transport_t *transport)
{
#if CONFIG_EXAMPLE_WS
  static usmp_ws_t ws;
  const usmp_ws_config_t config = {.url = CONFIG_EXAMPLE_WS_URL}; /* wss: ESP-IDF's bundle of certificates is trusted */
  return usmp_transport_ws_init(transport, &ws, &config);
#elif CONFIG_EXAMPLE_UDP
  return usmp_transport_udp_init(transport, CONFIG_EXAMPLE_SERVER, CONFIG_EXAMPLE_PORT);
#else
  return usmp_transport_tcp_init(transport, CONFIG_EXAMPLE_SERVER, CONFIG_EXAMPLE_PORT);
#endif
}

int carrier_follow(usmp_t *session)
{
  (void)session;
  return 0;
}

void carrier_pause(uint32_t pause_ms)
{
  usmp_port_delay_ms(pause_ms);
}

#endif
