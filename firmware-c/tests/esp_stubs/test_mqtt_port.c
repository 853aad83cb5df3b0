/* The transport over esp-mqtt on this machine, with a client that the test plays: what the port asks of it, what it makes of its
   events, and a session over it. Ends with 0, or tells what is wrong. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host_mqtt.h"
#include "usmp_esp.h"
#include "usmp_mqtt.h"

#define PORT 0x5554 /* of a server at the loopback address */

static const uint8_t psk[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const char down[] = "usmp/home/10/404ccaabcd10/down";
static usmp_mqtt_t mqtt;

static void expect(bool held, const char *what)
{
  if (held) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

static void data_came(const char *topic, const void *data, int len, int total, int offset, bool retain)
{
  esp_mqtt_event_t event = {
    .event_id = MQTT_EVENT_DATA, .data_len = len, .total_data_len = total, .current_data_offset = offset};

  event.topic = (char *)(uintptr_t)topic;
  event.topic_len = topic ? (int)strlen(topic) : 0;
  event.data = (char *)(uintptr_t)data;
  event.retain = retain;
  stub_mqtt_event(event);
}

static void become_connected(void)
{
  char granted = 0;

  stub_mqtt.subscriptions = 0;
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_CONNECTED});
  expect(!mqtt.connected, "not before the device's topic is subscribed");
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_SUBSCRIBED, .msg_id = 101, .data = &granted, .data_len = 1});
  expect(!mqtt.connected, "presence alone is not enough");
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_SUBSCRIBED, .msg_id = 100, .data = &granted, .data_len = 1});
  expect(mqtt.connected, "connected and subscribed");
}

static void client_is_asked_for_what_the_specification_says(void)
{
  const usmp_mqtt_config_t config = {.url = "mqtt://broker:1884", .site = "home", .username = "me", .password = "secret"};
  const esp_mqtt_client_config_t *asked = &stub_mqtt.config;
  int without_delay = 0;
  socklen_t len = sizeof without_delay;

  expect(usmp_mqtt_start(&mqtt, &config) == 0 && stub_mqtt.running, "a client");
  expect(strcmp(stub_mqtt.host, "broker") == 0 && asked->broker.address.port == 1884, "the address");
  expect(asked->broker.address.transport == MQTT_TRANSPORT_OVER_TCP && !stub_mqtt.tls, "without TLS");
  expect(strncmp(stub_mqtt.client_id, "usmp-404ccaabcd10-", 18) == 0 && strlen(stub_mqtt.client_id) == 22, "the client id");
  expect(strcmp(stub_mqtt.will_topic, "usmp/home/10/404ccaabcd10/lwt") == 0, "the topic of the will");
  expect(asked->session.last_will.msg_len == 0 && asked->session.last_will.qos == 0 && asked->session.last_will.retain == 0,
         "a will that is empty and not retained");
  expect(!asked->session.disable_clean_session && asked->session.keepalive == 60, "a clean session");
  expect(asked->session.protocol_ver == MQTT_PROTOCOL_V_3_1_1, "MQTT 3.1.1");
  expect(strcmp(usmp_mqtt_problem(&mqtt), "not connected yet") == 0, "not connected yet");
  become_connected();
  expect(strcmp(stub_mqtt.subscribed[0], down) == 0 && strcmp(stub_mqtt.subscribed[1], "usmp/home/gw/+") == 0, "the topics");
  getsockopt(stub_mqtt.fd, IPPROTO_TCP, TCP_NODELAY, &without_delay, &len);
  expect(without_delay != 0, "TCP_NODELAY");
  expect(usmp_mqtt_problem(&mqtt)[0] == 0, "no problem");
}

static void what_is_no_datagram_is_dropped(void)
{
  static char bytes[2000];

  data_came(down, bytes, 60, 60, 0, true); /* retained */
  data_came(down, bytes, 640, 2000, 0, false);
  data_came(NULL, bytes, 640, 2000, 640, false);
  data_came(down, bytes, 493, 493, 0, false);
  data_came("usmp/home/10/404ccaabcd10/up", bytes, 60, 60, 0, false);
  expect(mqtt.link.count == 0 && mqtt.link.dropped == 2, "dropped");
  data_came(down, NULL, 0, 0, 0, false);
  expect(mqtt.link.hinted, "an empty one is a hint");
}

static void problems_have_names(void)
{
  esp_mqtt_error_codes_t error = {.error_type = MQTT_ERROR_TYPE_TCP_TRANSPORT};
  char refused = (char)0x80;

  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_ERROR, .error_handle = &error});
  expect(strcmp(usmp_mqtt_problem(&mqtt), "cannot reach the broker") == 0, "not reached");
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_BEFORE_CONNECT});
  error.error_type = MQTT_ERROR_TYPE_CONNECTION_REFUSED;
  error.connect_return_code = MQTT_CONNECTION_REFUSE_NOT_AUTHORIZED;
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_ERROR, .error_handle = &error});
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_DISCONNECTED});
  expect(strcmp(usmp_mqtt_problem(&mqtt), "the broker refused user name or password") == 0, "refused");
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_BEFORE_CONNECT});
  stub_mqtt.subscriptions = 0;
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_CONNECTED});
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_SUBSCRIBED, .msg_id = 100, .data = &refused, .data_len = 1});
  expect(!mqtt.connected && strstr(usmp_mqtt_problem(&mqtt), "does not let this user"), "no right to read");
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_DISCONNECTED});
  expect(strcmp(usmp_mqtt_problem(&mqtt), "the connection to the broker was lost") == 0, "lost");
}

/* ---- a broker of one device and one server: publishes are datagrams to it, and the other way ---- */

static int bridge;

static void publish_to_server(const char *topic, const char *data, int len)
{
  if (strcmp(topic, "usmp/home/10/404ccaabcd10/up") == 0) send(bridge, data, (size_t)len, 0);
}

static void *publish_to_device(void *unused)
{
  char datagram[600];
  ssize_t len;

  (void)unused;
  while ((len = recv(bridge, datagram, sizeof datagram, 0)) > 0) data_came(down, datagram, (int)len, (int)len, 0, false);
  return NULL;
}

static void open_bridge(void)
{
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  pthread_t thread;

  inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
  bridge = socket(AF_INET, SOCK_DGRAM, 0);
  expect(connect(bridge, (struct sockaddr *)&server, sizeof server) == 0, "a way to the server");
  stub_mqtt.on_publish = publish_to_server;
  pthread_create(&thread, NULL, publish_to_device, NULL);
  pthread_detach(thread);
}

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = psk;
  found->psk_len = sizeof psk;
  return 0;
}

static usmp_listener_t listener;

/* Sends each message back, until the session ends. */
static void *serve(void *unused)
{
  static usmp_workspace_t memory[2];
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  usmp_t ctx = {.scratch = memory, .scratch_len = sizeof memory, .recv_timeout_ms = USMP_RECV_FOREVER};
  int len;

  (void)unused;
  while (usmp_accept(&listener, &ctx, 5000) == USMP_ERR_NOT_CONNECTED) continue;
  while ((len = usmp_recv(&ctx, message, sizeof message)) >= 0) usmp_send(&ctx, message, (uint16_t)len);
  usmp_close(&ctx);
  listener.close(&listener);
  return NULL;
}

static void *come_back_later(void *unused)
{
  (void)unused;
  usleep(300000);
  become_connected();
  return NULL;
}

static void session_lives_on_while_the_broker_is_away(void)
{
  static usmp_workspace_t memory;
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  usmp_t ctx = {.psk = psk, .psk_len = sizeof psk, .scratch = &memory, .scratch_len = sizeof memory, .recv_timeout_ms = 20000};
  usmp_transport_t transport;
  pthread_t server;
  pthread_t broker;

  expect(usmp_listener_udp_init(&listener, PORT) == 0 && usmp_listen(&listener, find_psk, NULL) == 0, "a server");
  pthread_create(&server, NULL, serve, NULL);
  open_bridge();
  become_connected();
  expect(usmp_transport_mqtt_init(&transport, &mqtt) == 0 && usmp_connect(&ctx, &transport) == 0, "a session");
  for (uint16_t size = 0; size <= sizeof message; size = (uint16_t)(size + 452)) {
    memset(message, size & 0xff, size);
    expect(usmp_send(&ctx, message, size) == 0 && usmp_recv(&ctx, message, sizeof message) == size, "an echo");
    expect(usmp_mqtt_follow(&ctx) == 0, "no doubt about the gateway");
  }
  stub_mqtt_event((esp_mqtt_event_t){.event_id = MQTT_EVENT_DISCONNECTED});
  int published = stub_mqtt.published;
  expect(ctx.transport.send(&ctx.transport, message, 60) < 0 && stub_mqtt.published == published, "nothing is published now");
  pthread_create(&broker, NULL, come_back_later, NULL);
  expect(usmp_send(&ctx, message, 100) == 0 && usmp_recv(&ctx, message, sizeof message) == 100, "the same session");
  pthread_join(broker, NULL);
  usmp_close(&ctx);
  expect(mqtt.connected && stub_mqtt.running, "the connection to the broker stays");
  pthread_join(server, NULL);
  ctx.transport.destroy(&ctx.transport);
  expect(!stub_mqtt.running && stub_mqtt.destroyed == 1, "until the transport is destroyed");
}

static void certificates_are_handed_over(void)
{
  usmp_mqtt_config_t config = {.url = "mqtts://broker", .site = "home", .ca = "CA", .certificate = "CERT", .key = "KEY"};

  memset(&stub_mqtt, 0, sizeof stub_mqtt);
  expect(usmp_mqtt_start(&mqtt, &config) == 0 && stub_mqtt.tls, "a client with TLS");
  expect(stub_mqtt.config.broker.address.port == 8883, "the port of TLS");
  expect(strcmp(stub_mqtt.ca, "CA") == 0 && !stub_mqtt.bundle, "the certificate that is trusted");
  expect(strcmp(stub_mqtt.certificate, "CERT") == 0 && strcmp(stub_mqtt.key, "KEY") == 0, "the client's own");
  usmp_mqtt_stop(&mqtt);
  config.key = NULL;
  expect(usmp_mqtt_start(&mqtt, &config) == USMP_ERR_INVALID_ARGUMENT, "a certificate without key");
  config.ca = config.certificate = NULL;
  expect(usmp_mqtt_start(&mqtt, &config) == USMP_ERR_INVALID_ARGUMENT, "TLS that would trust anybody");
}

void app_main(void);
void app_main(void)
{
  setenv("STUB_MAC", "404ccaabcd10", 1);
  client_is_asked_for_what_the_specification_says();
  what_is_no_datagram_is_dropped();
  problems_have_names();
  session_lives_on_while_the_broker_is_away();
  certificates_are_handed_over();
  exit(0);
}
