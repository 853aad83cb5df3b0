#include "secret.h"

#include <esp_log.h>
#include <nvs.h>

int secret_load(const char *key, uint8_t secret[SECRET_SIZE])
{
  nvs_handle_t nvs;
  size_t len = SECRET_SIZE;

  esp_err_t err = nvs_open("usmp", NVS_READONLY, &nvs);
  if (err == ESP_OK) {
    err = nvs_get_blob(nvs, key, secret, &len);
    nvs_close(nvs);
  }
  if (err == ESP_OK && len == SECRET_SIZE) return 0;
  ESP_LOGE("example", "no secret \"%s\" of %d bytes in NVS (namespace usmp): see the README, \"The secret\"", key, SECRET_SIZE);
  return -1;
}
