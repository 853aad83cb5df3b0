#include "usmp_discovery_mdns.h"

#include <mdns.h>
#include <string.h>

#include "usmp_port.h"

#define UDP "_udp"
#define TCP "_tcp"

/* ---- being found ---- */

/* The application's own name stays. */
static bool has_host_name(void)
{
  char name[MDNS_NAME_BUF_LEN] = "";
  return mdns_hostname_get(name) == ESP_OK && name[0];
}

static int start_mdns(const char *host_name)
{
  if (mdns_init() != ESP_OK) return USMP_ERR_UNREACHABLE; /* ESP_OK too when it runs already */
  if (has_host_name() || mdns_hostname_set(host_name) == ESP_OK) return USMP_OK;
  return USMP_ERR_UNREACHABLE;
}

static void remove_service(const char *type, const char *protocol)
{
  if (mdns_service_exists(type, protocol, NULL)) (void)mdns_service_remove(type, protocol);
}

/* One that is there is replaced. */
static int put_service(const char *type, const char *protocol, uint16_t port, const usmp_discovery_offer_t *offer)
{
  usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT];
  mdns_txt_item_t txt[USMP_DISCOVERY_MAX_TXT];
  char name[USMP_DISCOVERY_INSTANCE_NAME];

  size_t count = usmp_discovery_write_txt(offer, items);
  for (size_t i = 0; i < count; i++) txt[i] = (mdns_txt_item_t){items[i].key, items[i].value};
  usmp_discovery_write_instance_name(offer, name);
  remove_service(type, protocol);
  return mdns_service_add(name, type, protocol, port, txt, count) == ESP_OK ? USMP_OK : USMP_ERR_UNREACHABLE;
}

static int put_device(const usmp_discovery_offer_t *offer)
{
  uint16_t port = usmp_discovery_port_of(offer, USMP_CARRIER_UDP);
  return put_service(USMP_DISCOVERY_DEVICE_SERVICE, UDP, port ? port : USMP_DISCOVERY_NO_PORT, offer);
}

/* The port of `_usmp._tcp` where there is no tcp: that of the best of the others. */
static uint16_t port_without_tcp(const usmp_discovery_offer_t *offer)
{
  static const usmp_carrier_t order[] = {USMP_CARRIER_WSS, USMP_CARRIER_WS, USMP_CARRIER_MQTT};

  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    uint16_t port = usmp_discovery_port_of(offer, order[i]);
    if (port) return port;
  }
  return USMP_DISCOVERY_NO_PORT;
}

static int put_gateway(const usmp_discovery_offer_t *offer)
{
  uint16_t tcp = usmp_discovery_port_of(offer, USMP_CARRIER_TCP);
  uint16_t udp = usmp_discovery_port_of(offer, USMP_CARRIER_UDP);
  int err = USMP_OK;

  if (udp) err = put_service(USMP_DISCOVERY_GATEWAY_SERVICE, UDP, udp, offer);
  if (err == USMP_OK && (tcp || !udp)) {
    err = put_service(USMP_DISCOVERY_GATEWAY_SERVICE, TCP, tcp ? tcp : port_without_tcp(offer), offer);
  }
  return err;
}

int usmp_discovery_mdns_announce(const usmp_discovery_offer_t *offer)
{
  char name[USMP_DISCOVERY_INSTANCE_NAME];

  if (!usmp_discovery_is_good(offer)) return USMP_ERR_INVALID_ARGUMENT;
  usmp_discovery_write_instance_name(offer, name);
  int err = start_mdns(name);
  if (err < 0) return err;
  return offer->role == USMP_DISCOVERY_DEVICE ? put_device(offer) : put_gateway(offer);
}

void usmp_discovery_mdns_withdraw(void)
{
  remove_service(USMP_DISCOVERY_DEVICE_SERVICE, UDP);
  remove_service(USMP_DISCOVERY_GATEWAY_SERVICE, UDP);
  remove_service(USMP_DISCOVERY_GATEWAY_SERVICE, TCP);
}

/* ---- finding ---- */

static bool read_offer(const mdns_result_t *result, usmp_discovery_offer_t *offer)
{
  usmp_discovery_txt_reader_t reader;

  usmp_discovery_begin_txt(&reader, result->port);
  for (size_t i = 0; i < result->txt_count; i++) {
    const char *key = result->txt[i].key, *value = result->txt[i].value;
    if (key) usmp_discovery_read_txt(&reader, key, strlen(key), value, value ? result->txt_value_len[i] : 0);
  }
  return usmp_discovery_end_txt(&reader, offer) == USMP_OK;
}

/* Each of its IPv4 addresses is one find. */
static int note_result(usmp_discovery_searcher_t *searcher, const mdns_result_t *result)
{
  usmp_discovery_offer_t offer;
  int noted = 0;

  if (!read_offer(result, &offer)) return 0;
  for (const mdns_ip_addr_t *a = result->addr; a; a = a->next) {
    usmp_discovery_address_t address = {.port = result->port};
    if (a->addr.type != ESP_IPADDR_TYPE_V4) continue;
    memcpy(address.ip, &a->addr.u_addr.ip4.addr, sizeof address.ip);
    /* Anybody here can announce any address: none out of the neighbourhood is taken, and none that means ourselves. */
    if (!usmp_discovery_is_near(address.ip) || address.ip[0] == 127) continue;
    if (usmp_discovery_note_offer(searcher, &address, &offer, usmp_port_millis()) >= 0) noted++;
  }
  return noted;
}

static int ask_for(usmp_discovery_searcher_t *searcher, const char *type, const char *protocol, uint32_t wait_ms)
{
  mdns_result_t *results = NULL;
  int noted = 0;

  if (mdns_query_ptr(type, protocol, wait_ms, USMP_DISCOVERY_MAX_FOUND, &results) != ESP_OK) return 0;
  for (const mdns_result_t *one = results; one; one = one->next) noted += note_result(searcher, one);
  mdns_query_results_free(results);
  return noted;
}

int usmp_discovery_mdns_search(usmp_discovery_searcher_t *searcher, uint32_t wait_ms)
{
  int noted = 0;

  if (mdns_init() != ESP_OK) return USMP_ERR_UNREACHABLE;
  if (searcher->wish.roles & USMP_DISCOVERY_GATEWAY) {
    noted += ask_for(searcher, USMP_DISCOVERY_GATEWAY_SERVICE, TCP, wait_ms);
    noted += ask_for(searcher, USMP_DISCOVERY_GATEWAY_SERVICE, UDP, wait_ms);
  }
  if (searcher->wish.roles & USMP_DISCOVERY_DEVICE) noted += ask_for(searcher, USMP_DISCOVERY_DEVICE_SERVICE, UDP, wait_ms);
  return noted;
}
