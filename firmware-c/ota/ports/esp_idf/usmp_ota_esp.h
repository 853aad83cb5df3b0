/* The port of the update's state machine (usmp_ota.h) for ESP-IDF, from 5.5 on: app partitions by esp_ota_*, the record in NVS.

     static usmp_ota_esp_t slots;
     ESP_ERROR_CHECK(usmp_ota_esp_init(&slots));        after nvs_flash_init
     config.port = &usmp_ota_esp_port;
     config.ctx = &slots;
     ...
     if (usmp_ota_restart_wanted(&ota)) esp_restart();

   The project needs: a partition table with ota_0, ota_1 and otadata, and CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE. Where ESP-IDF offers
   a choice of who confirms a new image, CONFIG_BOOTLOADER_APP_ROLLBACK_CONFIRM_BY_APP. examples/esp_idf/ota has all of that; what goes
   wrong without it stands in ota/ports/README.md. Under Arduino this port answers verifyRollbackLater(), for the same reason. */
#ifndef USMP_OTA_ESP_H
#define USMP_OTA_ESP_H

#include <esp_ota_ops.h>

#include "usmp_ota.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that esp_ota_write keeps back with flash encryption. */
#define USMP_OTA_ESP_BLOCK 16

typedef struct usmp_ota_esp {
  const esp_partition_t *running;
  const esp_partition_t *other; /* takes the next image */
  esp_ota_handle_t handle;      /* valid while `open` */
  bool open;
  uint32_t written;                 /* end of what was written, bytes */
  uint8_t tail[USMP_OTA_ESP_BLOCK]; /* the last bytes before `written`, from its block on */
} usmp_ota_esp_t;

/* ESP_OK; ESP_ERR_NOT_FOUND: the partition table has no second app partition, so this device cannot be updated. */
esp_err_t usmp_ota_esp_init(usmp_ota_esp_t *esp);

/* may_update and today are null: copy the table to set them. */
extern const usmp_ota_port_t usmp_ota_esp_port;

#ifdef __cplusplus
}
#endif
#endif
