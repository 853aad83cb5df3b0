/* A device that takes signed updates from its gateway, over TCP: it answers ota.state, ota.offer, ota.apply and ota.abort, and sends a
   reading every two seconds. A new image is kept when it has a session and has sent a reading. */
#include <esp_log.h>
#include <esp_system.h>
#include <esp_task_wdt.h>

#include "network.h"
#include "sdkconfig.h"
#include "secret.h"
#include "updates.h"

#define READING_MS 2000u
#define LONGEST_WAIT_MS 500u
#define LONGEST_PAUSE_MS 30000u

static const char tag[] = "example";
static uint8_t psk[SECRET_SIZE];
static usmp_t session;
static usmp_transport_t transport;
static usmp_rpc_t rpc;
static usmp_ota_t ota;
static uint32_t next_reading;

static int send_reading(void)
{
  char text[128];
  usmp_json_out_t out;

  usmp_rpc_notification(&out, text, sizeof text, "telemetry");
  usmp_json_open_object(&out, "values");
  usmp_json_put_number(&out, "uptime", (double)(usmp_port_millis() / 1000));
  usmp_json_close_object(&out);
  int err = usmp_send(&session, (const uint8_t *)text, (uint16_t)usmp_rpc_notification_end(&out));
  if (err == 0) usmp_ota_self_test_passed(&ota);
  return err;
}

static int send_what_is_due(void)
{
  uint32_t now = usmp_port_millis();

  if ((int32_t)(now - next_reading) < 0) return updates_send(&ota, &session);
  next_reading = now + READING_MS;
  int err = send_reading();
  return err < 0 ? err : updates_send(&ota, &session);
}

static int answer(const uint8_t *message, size_t len)
{
  static char text[USMP_OTA_ANSWER_SIZE];
  uint32_t now = usmp_port_millis();

  if (usmp_ota_receive(&ota, message, len, now)) return 0;
  size_t answer_len = usmp_rpc_receive(&rpc, message, len, now, text, sizeof text);
  return answer_len > 0 ? usmp_send(&session, (const uint8_t *)text, (uint16_t)answer_len) : 0;
}

/* Runs a session to its end, or until the update wants a restart. */
static int converse(void)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  int result = 0;

  usmp_rpc_begin(&rpc, usmp_port_millis());
  usmp_ota_begin_session(&ota, usmp_port_millis());
  next_reading = usmp_port_millis();
  while (result >= 0 && !usmp_ota_restart_wanted(&ota)) {
    esp_task_wdt_reset();
    result = send_what_is_due();
    if (result < 0) break;
    uint32_t wait = usmp_ota_next_deadline(&ota, usmp_port_millis());
    session.recv_timeout_ms = wait < 1 ? 1 : wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS;
    result = usmp_recv(&session, message, sizeof message);
    if (result > 0) result = answer(message, (size_t)result);
  }
  usmp_ota_end_session(&ota);
  return result;
}

/* Also the time of an image that cannot connect runs out here. */
static void wait_for_next(uint32_t pause_ms)
{
  uint8_t out[USMP_OTA_OUT_SIZE];

  for (uint32_t waited = 0; waited < pause_ms && !usmp_ota_restart_wanted(&ota); waited += 100) {
    esp_task_wdt_reset();
    usmp_port_delay_ms(100);
    usmp_ota_poll(&ota, usmp_port_millis(), out, sizeof out);
  }
}

void app_main(void)
{
  uint32_t pause_ms = 500;

  network_start();
  usmp_rpc_init(&rpc, NULL, 0, NULL);
  if (updates_start(&rpc, &ota) < 0 || secret_load("psk", psk) < 0) return;
  session.psk = psk;
  session.psk_len = sizeof psk;
  session.keepalive_ms = CONFIG_USMP_KEEPALIVE_MS;
  ESP_ERROR_CHECK(esp_task_wdt_add(NULL));

  while (!usmp_ota_restart_wanted(&ota)) {
    int result = usmp_transport_tcp_init(&transport, CONFIG_EXAMPLE_GATEWAY, CONFIG_EXAMPLE_GATEWAY_PORT);
    if (result == 0) result = usmp_connect(&session, &transport);
    if (result == 0) {
      ESP_LOGI(tag, "session established");
      pause_ms = 500;
      result = converse();
      usmp_close(&session);
    }
    if (usmp_ota_restart_wanted(&ota)) break;
    ESP_LOGW(tag, "%s; again in %u ms", usmp_err_name(result), (unsigned)pause_ms);
    wait_for_next(pause_ms);
    if (pause_ms < LONGEST_PAUSE_MS) pause_ms *= 2;
  }
  ESP_LOGI(tag, "restarts for the update");
  esp_restart();
}
