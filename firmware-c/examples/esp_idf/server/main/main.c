/* A device that other devices connect to, without any gateway: serves one at a time and sends every message
   back. The key of each device is derived from one master secret, so that no device can pose as another. */
#include <esp_log.h>

#include "network.h"
#include "sdkconfig.h"
#include "secret.h"
#include "usmp.h"
#include "usmp_esp.h"

static const char tag[] = "example";

typedef struct keyring {
  uint8_t master[SECRET_SIZE];
  uint8_t psk[USMP_KEY_SIZE]; /* of the device that was asked for last */
} keyring_t;

static int find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  keyring_t *keys = context;
  int err = usmp_derive_device_psk(usmp_port_crypto(), keys->master, sizeof keys->master, device_id, keys->psk);
  if (err < 0) return err;
  found->psk = keys->psk;
  found->psk_len = sizeof keys->psk;
  return 0;
}

static void echo(usmp_t *session)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  int result = 0;

  ESP_LOGI(tag, "session with %02x:%02x:%02x:%02x:%02x:%02x", session->device_id[0], session->device_id[1],
           session->device_id[2], session->device_id[3], session->device_id[4], session->device_id[5]);
  while (result >= 0) {
    result = usmp_recv(session, message, sizeof message);
    if (result >= 0) result = usmp_send(session, message, (uint16_t)result);
  }
  ESP_LOGI(tag, "ended: %s", usmp_err_name(result));
  usmp_close(session);
}

void app_main(void)
{
  static keyring_t keys;
  static usmp_listener_t listener;
  static usmp_t session;

  network_start();
  if (secret_load("master", keys.master) < 0) return;
#if CONFIG_EXAMPLE_UDP
  int err = usmp_listener_udp_init(&listener, CONFIG_EXAMPLE_PORT);
#else
  int err = usmp_listener_tcp_init(&listener, CONFIG_EXAMPLE_PORT);
#endif
  if (err == 0) err = usmp_listen(&listener, find_psk, &keys);
  if (err < 0) {
    ESP_LOGE(tag, "cannot listen on port %d: %s", CONFIG_EXAMPLE_PORT, usmp_err_name(err));
    return;
  }
  session.keepalive_ms = CONFIG_USMP_KEEPALIVE_MS; /* ends sessions that fell silent */
  session.recv_timeout_ms = USMP_RECV_FOREVER;
  ESP_LOGI(tag, "listening on port %d", CONFIG_EXAMPLE_PORT);
  for (;;) {
    err = usmp_accept(&listener, &session, 60000);
    if (err == 0) echo(&session);
    else if (err != USMP_ERR_NOT_CONNECTED) ESP_LOGW(tag, "refused: %s", usmp_err_name(err));
  }
}
