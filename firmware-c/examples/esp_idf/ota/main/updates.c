#include "updates.h"

#include <esp_app_desc.h>
#include <esp_log.h>
#include <stdlib.h>
#include <string.h>

#include "sdkconfig.h"
#include "usmp_ota_esp.h"

static const char tag[] = "updates";
static usmp_ota_esp_t slots;
static uint8_t keys[1][USMP_ED25519_KEY_SIZE];
static const usmp_ota_crypto_t crypto = {
#if CONFIG_USMP_OTA_SODIUM
  .ed25519 = &usmp_ota_sodium,
#else
  .ed25519 = &usmp_ota_monocypher,
#endif
  .hashes = &usmp_ota_psa_hashes,
};
static usmp_ota_config_t config = {
  .product = CONFIG_EXAMPLE_PRODUCT,
  .chip = CONFIG_IDF_TARGET,
  .keys = keys,
  .key_count = 1,
  .crypto = &crypto,
  .port = &usmp_ota_esp_port,
  .ctx = &slots,
};

static int hex_value(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const char *text)
{
  if (strlen(text) != 2 * sizeof keys[0]) return false;
  for (size_t i = 0; i < sizeof keys[0]; i++) {
    int high = hex_value(text[2 * i]);
    int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    keys[0][i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

/* "1.2.3", as the project's version should be; what follows is left out. */
static uint32_t version_of(const char *text)
{
  char *end;
  unsigned long major = strtoul(text, &end, 10);
  unsigned long minor = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
  unsigned long patch = *end == '.' ? strtoul(end + 1, &end, 10) : 0;
  return USMP_OTA_VERSION(major & 0xFF, minor & 0xFF, patch & 0xFFFF);
}

int updates_start(usmp_rpc_t *rpc, usmp_ota_t *ota)
{
  char version[USMP_OTA_VERSION_TEXT_SIZE];

  if (!read_key(CONFIG_EXAMPLE_PUBLISHER_KEY)) {
    ESP_LOGE(tag, "no publisher's key: menuconfig, \"USMP example: updates\", takes what `usmp ota public` prints");
    return -1;
  }
  if (usmp_ota_esp_init(&slots) != ESP_OK) {
    ESP_LOGE(tag, "no second app partition: the partition table must have ota_0, ota_1 and otadata");
    return -1;
  }
  config.version = version_of(esp_app_get_description()->version);
  int err = usmp_ota_init(ota, &config, usmp_port_millis());
  if (err != 0) {
    ESP_LOGE(tag, "updates cannot be used: %s", usmp_err_name(err));
    return -1;
  }
  usmp_rpc_extend(rpc, usmp_ota_methods, USMP_OTA_METHODS, ota);
  usmp_ota_version_text(config.version, version);
  ESP_LOGI(tag, "version %s%s", version, usmp_ota_is_on_trial(ota) ? ", on trial" : "");
  return 0;
}

int updates_send(usmp_ota_t *ota, usmp_t *session)
{
  static uint8_t out[USMP_OTA_OUT_SIZE];
  size_t len;

  while ((len = usmp_ota_poll(ota, usmp_port_millis(), out, sizeof out)) > 0) {
    int err = usmp_send(session, out, (uint16_t)len);
    if (err < 0) return err;
  }
  return 0;
}
