/* The ESP-IDF port on this machine: whom it takes devices for, and whom it locks out. Ends with 0, or tells what is wrong. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "usmp_esp.h"

#define PORT 0x5553 /* of the loopback addresses of this test */

static const uint8_t good[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t wrong[32] = {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};

static void expect(bool held, const char *what)
{
  if (held) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

/* Of a chip whose eFuse holds `mac`. */
static void id_of(const char *mac, uint8_t id[USMP_DEVICE_ID_LEN])
{
  setenv("STUB_MAC", mac, 1);
  expect(usmp_port_get_device_id(id, USMP_DEVICE_ID_LEN) == 0, "a device id");
}

static void five_chips_with_eui64_have_one_id(void)
{
  uint8_t ids[5][USMP_DEVICE_ID_LEN];
  char mac[17];

  for (int i = 0; i < 5; i++) {
    snprintf(mac, sizeof mac, "404ccafffe%06x", 0xabcd00 + i * 16);
    id_of(mac, ids[i]);
    for (int k = 0; k < i; k++) expect(memcmp(ids[i], ids[k], sizeof ids[i]) != 0, "five chips have five ids");
  }
}

#if !defined(STUB_NO_WIFI) && !defined(STUB_NO_RADIO)
static void devices_in_the_field_change_their_ids(void)
{
  static const uint8_t station[6] = {0x40, 0x4c, 0xca, 0xab, 0xcd, 0x10};
  uint8_t id[USMP_DEVICE_ID_LEN];

  id_of("404ccaabcd10", id);
  expect(memcmp(id, station, sizeof id) == 0, "a chip with Wi-Fi is its station's address");
  id_of("404ccafffeabcd10", id);
  expect(memcmp(id, station, sizeof id) == 0, "and so is one that has IEEE 802.15.4 too");
}
#endif

/* ---- a server on all interfaces, and clients at different loopback addresses ---- */

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = good;
  found->psk_len = sizeof good;
  return 0;
}

typedef struct attempt {
  const char *from;
  const uint8_t *psk;
  bool udp;
  int result;
} attempt_t;

/* The port's transport over a socket that is bound to another loopback address. */
static void dial_from(usmp_transport_t *transport, const attempt_t *a)
{
  int type = a->udp ? SOCK_DGRAM : SOCK_STREAM;
  struct sockaddr_in own = {.sin_family = AF_INET};
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  int fd = socket(AF_INET, type, 0);

  inet_pton(AF_INET, a->from, &own.sin_addr);
  inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
  expect(bind(fd, (struct sockaddr *)&own, sizeof own) == 0, "an address to connect from");
  expect(connect(fd, (struct sockaddr *)&server, sizeof server) == 0, "a connection");
  /* To a port of its own, so that the server sees one connection only. */
  struct sockaddr_in spare = {.sin_family = AF_INET, .sin_addr = server.sin_addr};
  socklen_t len = sizeof spare;
  int listening = socket(AF_INET, SOCK_STREAM, 0);
  expect(bind(listening, (struct sockaddr *)&spare, sizeof spare) == 0 && listen(listening, 1) == 0, "a spare port");
  getsockname(listening, (struct sockaddr *)&spare, &len);
  int err = a->udp ? usmp_transport_udp_init(transport, "127.0.0.1", ntohs(spare.sin_port))
                   : usmp_transport_tcp_init(transport, "127.0.0.1", ntohs(spare.sin_port));
  expect(err == 0, "a transport");
  dup2(fd, transport->fd);
  close(fd);
  close(listening);
}

static void *try_once(void *argument)
{
  static usmp_workspace_t memory;
  attempt_t *a = argument;
  usmp_t ctx = {.psk = a->psk, .psk_len = sizeof good, .scratch = &memory, .scratch_len = sizeof memory};
  usmp_transport_t transport = {0};

  dial_from(&transport, a);
  a->result = usmp_connect(&ctx, &transport);
  usmp_close(&ctx);
  return NULL;
}

/* What the client is told; the server's session, if there is one, is closed at once. */
static int attempt(usmp_listener_t *listener, const char *from, const uint8_t *psk, bool udp)
{
  attempt_t a = {.from = from, .psk = psk, .udp = udp};
  usmp_t ctx = {0};
  uint8_t address[USMP_ADDRESS_MAX] = {0};
  pthread_t client;

  pthread_create(&client, NULL, try_once, &a);
  while (usmp_accept(listener, &ctx, 5000) == USMP_ERR_NOT_CONNECTED) continue;
  inet_pton(AF_INET, from, address);
  expect(memcmp(listener->peer_address, address, sizeof address) == 0, "the server knows who it talks to");
  pthread_join(client, NULL);
  usmp_close(&ctx);
  return a.result;
}

static void stranger_locks_out_the_owner(void)
{
  static usmp_listener_t listener;

  expect(usmp_listener_tcp_init(&listener, PORT) == 0 && usmp_listen(&listener, find_psk, NULL) == 0, "a server");
  for (int i = 0; i < 7; i++) expect(attempt(&listener, "127.0.0.66", wrong, false) < 0, "a wrong key is refused");
  expect(attempt(&listener, "127.0.0.7", good, false) == 0, "the owner gets in");
  expect(attempt(&listener, "127.0.0.66", good, false) < 0, "where the wrong tries came from, nobody does for a while");
  listener.close(&listener);
}

static void udp_server_knows_addresses(void)
{
  static usmp_listener_t listener;

  expect(usmp_listener_udp_init(&listener, PORT) == 0 && usmp_listen(&listener, find_psk, NULL) == 0, "a server");
  expect(attempt(&listener, "127.0.0.7", good, true) == 0, "a session over UDP");
  listener.close(&listener);
}

void app_main(void);
void app_main(void)
{
  five_chips_with_eui64_have_one_id();
#if !defined(STUB_NO_WIFI) && !defined(STUB_NO_RADIO)
  devices_in_the_field_change_their_ids();
#endif
  setenv("STUB_MAC", "404ccaabcd10", 1);
  stranger_locks_out_the_owner();
  udp_server_knows_addresses();
  exit(0);
}
