/* Espressif's component mdns: what discovery/esp_idf uses, with the signatures of 1.2 and later. */
#ifndef STUB_MDNS_H
#define STUB_MDNS_H

#include <esp_netif.h>

#define MDNS_NAME_BUF_LEN 65

typedef struct {
  const char *key;
  const char *value;
} mdns_txt_item_t;

typedef struct mdns_ip_addr_s {
  esp_ip_addr_t addr;
  struct mdns_ip_addr_s *next;
} mdns_ip_addr_t;

typedef struct mdns_result_s {
  struct mdns_result_s *next;
  char *instance_name;
  char *hostname;
  uint16_t port;
  mdns_txt_item_t *txt;
  uint8_t *txt_value_len;
  size_t txt_count;
  mdns_ip_addr_t *addr;
} mdns_result_t;

esp_err_t mdns_init(void);
esp_err_t mdns_hostname_set(const char *name);
esp_err_t mdns_hostname_get(char *name);
bool mdns_service_exists(const char *type, const char *protocol, const char *host);
esp_err_t mdns_service_add(const char *instance, const char *type, const char *protocol, uint16_t port, mdns_txt_item_t txt[],
                           size_t count);
esp_err_t mdns_service_remove(const char *type, const char *protocol);
esp_err_t mdns_query_ptr(const char *type, const char *protocol, uint32_t timeout, size_t max, mdns_result_t **results);
void mdns_query_results_free(mdns_result_t *results);

#endif
