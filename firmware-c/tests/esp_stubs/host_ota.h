/* Two app partitions and an NVS for tests of the port: what ESP-IDF's esp_ota_* do, with the rules that the port relies on. */
#ifndef HOST_OTA_H
#define HOST_OTA_H

#include <esp_ota_ops.h>

#define HOST_OTA_SIZE 65536u
#define HOST_OTA_ERASE 4096u

typedef struct host_ota {
  esp_partition_t partition[2];
  uint8_t flash[2][HOST_OTA_SIZE];
  esp_ota_img_states_t state[2];
  int running;
  int boot;           /* of the next start */
  bool single;        /* there is one app partition only */
  bool encrypted;     /* flash encryption: esp_ota_write keeps what does not fill 16 bytes */
  bool invalid_image; /* esp_ota_end finds fault */
  int open;           /* handles that were not ended */
  size_t record_len;  /* 0: none */
  uint8_t record[1024];
  bool nvs_fails;
} host_ota_t;

extern host_ota_t host_ota;

/* A chip that runs its first image from ota_0; nothing in NVS. */
void host_ota_init(void);

#endif
