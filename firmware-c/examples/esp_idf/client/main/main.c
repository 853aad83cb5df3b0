/* A device: connects over TCP or UDP, sends a reading every two seconds, prints what comes, and connects again when the
   session is lost. */
#include <esp_log.h>
#include <stdio.h>

#include "network.h"
#include "sdkconfig.h"
#include "secret.h"
#include "usmp.h"

#define READING_MS 2000u
#define LONGEST_PAUSE_MS 30000u

static const char tag[] = "example";
static uint8_t psk[SECRET_SIZE];
static usmp_t session;
static usmp_transport_t transport;

static int send_reading(void)
{
  char text[64];
  int len = snprintf(text, sizeof text, "{\"uptimeMs\":%lu}", (unsigned long)usmp_port_millis());
  return usmp_send(&session, (const uint8_t *)text, (uint16_t)len);
}

/* Runs a session to its end. */
static int converse(void)
{
  static uint8_t message[USMP_MAX_DATA_LEN];
  int result = send_reading();

  while (result == 0) {
    int len = usmp_recv(&session, message, sizeof message);
    if (len < 0) return len;
    if (len > 0) ESP_LOGI(tag, "received: %.*s", len, (const char *)message);
    if (len == 0) result = send_reading(); /* nothing came for READING_MS */
  }
  return result;
}

static int open_session(void)
{
#if CONFIG_EXAMPLE_UDP
  int err = usmp_transport_udp_init(&transport, CONFIG_EXAMPLE_SERVER, CONFIG_EXAMPLE_PORT);
#else
  int err = usmp_transport_tcp_init(&transport, CONFIG_EXAMPLE_SERVER, CONFIG_EXAMPLE_PORT);
#endif
  return err < 0 ? err : usmp_connect(&session, &transport);
}

void app_main(void)
{
  uint32_t pause_ms = 500;

  network_start();
  if (secret_load("psk", psk) < 0) return;
  session.psk = psk;
  session.psk_len = sizeof psk;
  session.keepalive_ms = CONFIG_USMP_KEEPALIVE_MS;
  session.recv_timeout_ms = READING_MS;

  for (;;) {
    int result = open_session();
    if (result == 0) {
      ESP_LOGI(tag, "session established");
      pause_ms = 500;
      result = converse();
      usmp_close(&session);
    }
    ESP_LOGW(tag, "%s; again in %u ms", usmp_err_name(result), (unsigned)pause_ms);
    usmp_port_delay_ms(pause_ms);
    if (pause_ms < LONGEST_PAUSE_MS) pause_ms *= 2;
  }
}
