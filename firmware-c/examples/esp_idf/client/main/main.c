/* A device: connects over TCP, UDP or an MQTT broker, shows the fingerprint of its key, sends a reading every two seconds, prints what comes, and connects again when the
   session is lost. */
#include <esp_log.h>
#include <stdio.h>

#include "carrier.h"
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
    if (result == 0) result = carrier_follow(&session);
  }
  return result;
}

static int open_session(void)
{
  int err = carrier_open(&transport);
  return err < 0 ? err : usmp_connect(&session, &transport);
}

/* What a person compares with what the gateway shows for the key that was typed there. */
static void show_fingerprint(void)
{
  uint8_t id[USMP_DEVICE_ID_LEN];
  char fingerprint[USMP_FINGERPRINT_SIZE];

  if (usmp_port_get_device_id(id, sizeof id) < 0) return;
  int err = usmp_psk_fingerprint(usmp_port_crypto(), psk, sizeof psk, id, fingerprint);
  ESP_LOGI(tag, "fingerprint of the key: %s", err == 0 ? fingerprint : usmp_err_name(err));
}

void app_main(void)
{
  uint32_t pause_ms = 500;

  network_start();
  if (secret_load("psk", psk) < 0 || carrier_start() < 0) return;
  show_fingerprint();
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
    carrier_pause(pause_ms);
    if (pause_ms < LONGEST_PAUSE_MS) pause_ms *= 2;
  }
}
