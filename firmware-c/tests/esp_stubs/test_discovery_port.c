/* Discovery of the ESP-IDF port on this machine: its networks, the UDP query over them, and what it makes of espressif/mdns, which
   the test plays. Ends with 0, or tells what is wrong. */
#include <mdns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery_networks.h"
#include "discovery_port.h"
#include "usmp_discovery_mdns.h"
#include "usmp_port.h"

static void expect(bool held, const char *what)
{
  if (held) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

/* ---- networks: one that is down, and loopback ---- */

struct stub_netif {
  bool up;
  uint8_t ip[4];
  uint8_t netmask[4];
};

static struct stub_netif netifs[] = {{false, {10, 0, 0, 1}, {255, 0, 0, 0}}, {true, {127, 0, 0, 1}, {255, 0, 0, 0}}};

esp_netif_t *esp_netif_next_unsafe(esp_netif_t *netif)
{
  if (!netif) return &netifs[0];
  return netif == &netifs[0] ? &netifs[1] : NULL;
}

bool esp_netif_is_netif_up(esp_netif_t *netif)
{
  return netif->up;
}

esp_err_t esp_netif_get_ip_info(esp_netif_t *netif, esp_netif_ip_info_t *info)
{
  memcpy(&info->ip.addr, netif->ip, 4);
  memcpy(&info->netmask.addr, netif->netmask, 4);
  return ESP_OK;
}

static void networks_that_are_up(void)
{
  static const uint8_t loopback_broadcast[4] = {127, 255, 255, 255};
  usmp_discovery_network_t networks[USMP_DISCOVERY_MAX_NETWORKS];

  expect(usmp_discovery_networks(networks) == 1, "one network is up");
  expect(memcmp(networks[0].broadcast, loopback_broadcast, 4) == 0, "its broadcast address");
}

/* ---- the UDP query ---- */

static const usmp_discovery_offer_t device = {
  .role = USMP_DISCOVERY_DEVICE, .instance = {0x8f, 0x3a}, .carrier_count = 1, .carriers = {{USMP_CARRIER_UDP, 9000}}};

static int random_bytes(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

static usmp_discovery_searcher_t search_for(unsigned roles)
{
  const usmp_discovery_wish_t wish = {.roles = roles, .random = random_bytes};
  usmp_discovery_searcher_t searcher;
  expect(usmp_discovery_init_searcher(&searcher, &wish, usmp_port_millis()) == 0, "a searcher");
  return searcher;
}

static void a_query_and_its_answer(void)
{
  usmp_discovery_searcher_t searcher = search_for(USMP_DISCOVERY_DEVICE);
  usmp_discovery_responder_t responder;
  usmp_discovery_socket_t here, there;
  uint16_t port = 29201;

  while (usmp_discovery_open(&there, port) != 0) expect(++port < 29300, "a free port");
  expect(usmp_discovery_open(&here, 0) == 0, "a socket");
  expect(usmp_discovery_init_responder(&responder, &device) == 0, "a responder");
  for (int i = 0; i < 200 && searcher.count == 0; i++) {
    expect(usmp_discovery_search(&here, &searcher, port, NULL, 0, 10) >= 0, "a query leaves");
    (void)usmp_discovery_serve(&there, &responder, 10);
  }
  expect(searcher.count == 1 && searcher.found[0].offer.instance[0] == 0x8f, "the device is found");
  usmp_discovery_close(&here);
  usmp_discovery_close(&there);
}

/* ---- espressif/mdns ---- */

static struct {
  bool fails;
  char host[MDNS_NAME_BUF_LEN];
  char services[8][80]; /* "usmp-8f3a _usmp-device _udp 9000 v=2 ..." */
  size_t count;
  mdns_result_t *results;
  char asked[3][40];
  size_t questions;
  bool freed;
} stub;

esp_err_t mdns_init(void)
{
  return stub.fails ? ESP_ERR_NOT_FOUND : ESP_OK;
}

esp_err_t mdns_hostname_set(const char *name)
{
  snprintf(stub.host, sizeof stub.host, "%s", name);
  return ESP_OK;
}

esp_err_t mdns_hostname_get(char *name)
{
  strcpy(name, stub.host);
  return ESP_OK;
}

static size_t service_index(const char *type, const char *protocol)
{
  char part[40];
  snprintf(part, sizeof part, " %s %s ", type, protocol);
  size_t i = 0;
  while (i < stub.count && !strstr(stub.services[i], part)) i++;
  return i;
}

bool mdns_service_exists(const char *type, const char *protocol, const char *host)
{
  return !host && service_index(type, protocol) < stub.count;
}

esp_err_t mdns_service_add(const char *instance, const char *type, const char *protocol, uint16_t port, mdns_txt_item_t txt[],
                           size_t count)
{
  char *at = stub.services[stub.count];
  size_t room = sizeof stub.services[0];

  expect(!mdns_service_exists(type, protocol, NULL) && stub.count < 8, "a service is added once");
  int len = snprintf(at, room, "%s %s %s %u", instance, type, protocol, port);
  for (size_t i = 0; i < count; i++) len += snprintf(at + len, room - (size_t)len, " %s=%s", txt[i].key, txt[i].value);
  expect((size_t)len < room, "room for the service");
  stub.count++;
  return ESP_OK;
}

esp_err_t mdns_service_remove(const char *type, const char *protocol)
{
  size_t i = service_index(type, protocol);
  expect(i < stub.count, "the service is there");
  stub.count--;
  memmove(stub.services[i], stub.services[stub.count], sizeof stub.services[0]);
  return ESP_OK;
}

esp_err_t mdns_query_ptr(const char *type, const char *protocol, uint32_t timeout, size_t max, mdns_result_t **results)
{
  expect(timeout == 300 && max == USMP_DISCOVERY_MAX_FOUND, "its time and its bound");
  snprintf(stub.asked[stub.questions++], sizeof stub.asked[0], "%s.%s", type, protocol);
  *results = strcmp(type, "_usmp-device") == 0 ? stub.results : NULL;
  return ESP_OK;
}

void mdns_query_results_free(mdns_result_t *results)
{
  stub.freed |= results != NULL;
}

static void a_device_is_announced(void)
{
  usmp_discovery_offer_t offer = device;

  expect(usmp_discovery_mdns_announce(&offer) == 0, "it is announced");
  expect(strcmp(stub.host, "usmp-8f3a") == 0, "under a name that is new at each start");
  expect(stub.count == 1 && strcmp(stub.services[0], "usmp-8f3a _usmp-device _udp 9000 v=2 r=d n=8f3a t=udp:9000") == 0,
         "its service");
  offer.carrier_count = 0;
  strcpy(stub.host, "kitchen");
  expect(usmp_discovery_mdns_announce(&offer) == 0, "and again");
  expect(strcmp(stub.host, "kitchen") == 0, "the application's own name stays");
  expect(stub.count == 1 && strcmp(stub.services[0], "usmp-8f3a _usmp-device _udp 9 v=2 r=d n=8f3a") == 0, "without sessions");
  usmp_discovery_mdns_withdraw();
  expect(stub.count == 0, "goodbye");
  offer.join_open = true;
  expect(usmp_discovery_mdns_announce(&offer) == USMP_ERR_INVALID_ARGUMENT, "no device opens a join window");
  stub.fails = true;
  expect(usmp_discovery_mdns_announce(&device) == USMP_ERR_UNREACHABLE, "mDNS does not start");
  stub.fails = false;
}

static void a_gateway_is_announced(void)
{
  usmp_discovery_offer_t offer = {.role = USMP_DISCOVERY_GATEWAY,
                                  .carrier_count = 2,
                                  .carriers = {{USMP_CARRIER_TCP, 9000}, {USMP_CARRIER_UDP, 9002}},
                                  .site = "home"};

  expect(usmp_discovery_mdns_announce(&offer) == 0 && stub.count == 2, "two services");
  expect(strstr(stub.services[0], "_usmp _udp 9002 ") && strstr(stub.services[1], "_usmp _tcp 9000 "), "with their ports");
  expect(strstr(stub.services[1], " s=home t=tcp:9000,udp:9002 j=0"), "and all facts");
  usmp_discovery_mdns_withdraw();
  offer.carrier_count = 1;
  offer.carriers[0] = (usmp_discovery_carrier_t){USMP_CARRIER_WS, 8080};
  expect(usmp_discovery_mdns_announce(&offer) == 0 && stub.count == 1, "one service");
  expect(strstr(stub.services[0], "_usmp _tcp 8080 "), "with the port of the WebSocket");
  usmp_discovery_mdns_withdraw();
}

static void what_others_announce_is_noted(void)
{
  /* With addresses of the world and of ourselves, which anybody here can announce. */
  mdns_ip_addr_t own = {.addr = {.type = ESP_IPADDR_TYPE_V4}}, far = {.addr = {.type = ESP_IPADDR_TYPE_V4}, .next = &own};
  mdns_ip_addr_t six = {.addr = {.type = ESP_IPADDR_TYPE_V6}, .next = &far};
  mdns_ip_addr_t four = {.addr = {.type = ESP_IPADDR_TYPE_V4}, .next = &six};
  mdns_txt_item_t good[] = {{"v", "2"}, {"r", "d"}, {"n", "8f3a"}, {"t", "udp"}, {"x", NULL}}, bad[] = {{"v", "1"}};
  uint8_t good_lengths[] = {1, 1, 4, 3, 0}, bad_lengths[] = {1};
  mdns_result_t other = {.txt = bad, .txt_value_len = bad_lengths, .txt_count = 1, .addr = &four, .port = 1};
  mdns_result_t result = {
    .next = &other, .txt = good, .txt_value_len = good_lengths, .txt_count = 5, .addr = &four, .port = 7000};
  usmp_discovery_searcher_t searcher = search_for(USMP_DISCOVERY_DEVICE | USMP_DISCOVERY_GATEWAY);
  static const uint8_t ip[4] = {192, 168, 1, 20}, world[4] = {203, 0, 113, 7}, loop[4] = {127, 0, 0, 1};

  memcpy(&four.addr.u_addr.ip4.addr, ip, 4);
  memcpy(&far.addr.u_addr.ip4.addr, world, 4);
  memcpy(&own.addr.u_addr.ip4.addr, loop, 4);
  stub.results = &result;
  expect(usmp_discovery_mdns_search(&searcher, 300) == 1 && searcher.count == 1, "one is found");
  expect(stub.questions == 3 && strcmp(stub.asked[2], "_usmp-device._udp") == 0, "three services were asked for");
  expect(memcmp(searcher.found[0].address.ip, ip, 4) == 0, "its address");
  expect(usmp_discovery_port_of(&searcher.found[0].offer, USMP_CARRIER_UDP) == 7000, "the port of its service");
  expect(stub.freed, "memory is given back");
}

void app_main(void);

void app_main(void)
{
  networks_that_are_up();
  a_query_and_its_answer();
  a_device_is_announced();
  a_gateway_is_announced();
  what_others_announce_is_noted();
  printf("discovery on the port: 5 passed\n");
  exit(0);
}
