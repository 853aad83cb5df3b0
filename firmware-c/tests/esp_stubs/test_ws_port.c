/* The transport over esp_websocket_client on this machine, with a client that the test plays: what the port asks of it, what it makes
   of its events, and a session over it. Ends with 0, or tells what is wrong. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host_ws.h"
#include "usmp/frame.h"
#include "usmp_esp.h"
#include "usmp_relay.h"

#define PORT 0x5555 /* of a server at the loopback address */
#define BINARY 2
#define CONTINUATION 0
#define CLOSE 8

static const uint8_t psk[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static usmp_ws_t ws;

static void expect(bool held, const char *what)
{
  if (held) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

static void become_connected(void)
{
  stub_ws_event(WEBSOCKET_EVENT_CONNECTED, (esp_websocket_event_data_t){0});
}

static void data_came(uint8_t op_code, bool fin, const void *bytes, int len, int offset, int total)
{
  stub_ws_event(
    WEBSOCKET_EVENT_DATA,
    (esp_websocket_event_data_t){
      .op_code = op_code, .fin = fin, .data_ptr = bytes, .data_len = len, .payload_offset = offset, .payload_len = total});
}

/* A transport that is connected to the played client. */
static usmp_transport_t dial(const usmp_ws_config_t *config)
{
  usmp_transport_t transport;

  memset(&stub_ws, 0, sizeof stub_ws);
  stub_ws.on_start = become_connected;
  expect(usmp_transport_ws_init(&transport, &ws, config) == 0, "a WebSocket");
  return transport;
}

static void client_is_asked_for_what_the_address_says(void)
{
  usmp_ws_config_t config = {.url = "ws://hub:8080/usmp?x=1"};
  const esp_websocket_client_config_t *asked = &stub_ws.config;
  usmp_transport_t transport = dial(&config);

  expect(strcmp(asked->host, "hub") == 0 && asked->port == 8080 && strcmp(asked->path, "/usmp?x=1") == 0, "the address");
  expect(asked->transport == WEBSOCKET_TRANSPORT_OVER_TCP && !asked->subprotocol, "without TLS and subprotocol");
  expect(asked->disable_auto_reconnect && asked->buffer_size >= 500, "one connection, and room for a frame");
  expect(usmp_ws_problem(&ws)[0] == 0, "no problem");
  transport.destroy(&transport);
  expect(stub_ws.destroyed == 1 && stub_ws.close_code == 1000, "closed and destroyed");

  config = (usmp_ws_config_t){.url = "wss://hub", .ca = "CA", .certificate = "CERT", .key = "KEY"};
  transport = dial(&config);
  expect(asked->port == 443 && asked->transport == WEBSOCKET_TRANSPORT_OVER_SSL, "with TLS");
  expect(strcmp(asked->cert_pem, "CA") == 0 && !asked->crt_bundle_attach, "the certificate that is trusted");
  expect(strcmp(asked->client_cert, "CERT") == 0 && strcmp(asked->client_key, "KEY") == 0, "the client's own");
  transport.destroy(&transport);
  config.key = NULL;
  expect(usmp_transport_ws_init(&transport, &ws, &config) == USMP_ERR_INVALID_ARGUMENT, "a certificate without key");
  config.ca = config.certificate = NULL;
  expect(usmp_transport_ws_init(&transport, &ws, &config) == USMP_ERR_INVALID_ARGUMENT, "TLS that would trust anybody");
}

static void problems_have_names(void)
{
  const usmp_ws_config_t config = {.url = "ws://hub", .connect_ms = 50};
  esp_websocket_event_data_t untrusted = {.error_handle.esp_tls_cert_verify_flags = 8};
  usmp_transport_t transport;
  uint8_t byte;

  memset(&stub_ws, 0, sizeof stub_ws);
  expect(usmp_transport_ws_init(&transport, &ws, &config) == USMP_ERR_UNREACHABLE, "nobody answers");
  expect(strcmp(usmp_ws_problem(&ws), "the server did not answer in time") == 0, "in time");
  expect(stub_ws.destroyed == 1, "the client is given up");

  transport = dial(&config);
  stub_ws_event(WEBSOCKET_EVENT_ERROR, untrusted);
  stub_ws_event(WEBSOCKET_EVENT_DISCONNECTED, (esp_websocket_event_data_t){0});
  expect(transport.recv(&transport, &byte, 1) < 0, "it has ended");
  expect(strcmp(usmp_ws_problem(&ws), "the certificate of the server is not accepted") == 0, "the first reason stays");
  transport.destroy(&transport);

  transport = dial(&config);
  data_came(CLOSE, true,
            "\x0f\xa3"
            "no\x01token",
            10, 0, 10);
  stub_ws_event(WEBSOCKET_EVENT_CLOSED, (esp_websocket_event_data_t){0});
  expect(usmp_ws_close_code(&ws) == USMP_RELAY_TOKEN, "the status of the server");
  expect(strcmp(usmp_ws_problem(&ws), "the server closed with 4003: no?token") == 0, "and its words, made harmless");
  transport.destroy(&transport);

  transport = dial(&config);
  data_came(1, true, "text", 4, 0, 4);
  expect(transport.recv(&transport, &byte, 1) < 0 && strstr(usmp_ws_problem(&ws), "text message"), "no text");
  transport.destroy(&transport);
}

static void messages_in_parts(void)
{
  const usmp_ws_config_t config = {.url = "ws://hub"};
  usmp_transport_t transport = dial(&config);
  uint8_t frame[USMP_MAX_FRAME_SIZE] = {0};
  uint8_t out[USMP_MAX_FRAME_SIZE];
  int len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_PING, 1, 300);

  data_came(BINARY, true, frame, 200, 0, len); /* a frame that is longer than the client's buffer */
  data_came(BINARY, true, frame + 200, len - 200, 200, len);
  expect(transport.recv(&transport, out, sizeof out) == len && memcmp(out, frame, (size_t)len) == 0, "in two events");
  data_came(BINARY, false, frame, 100, 0, 100);
  data_came(9, true, "ping", 4, 0, 4);
  data_came(CONTINUATION, false, frame + 100, 1, 0, 1);
  data_came(CONTINUATION, true, frame + 101, len - 101, 0, len - 101);
  expect(transport.recv(&transport, out, sizeof out) == len && memcmp(out, frame, (size_t)len) == 0, "in three frames");
  transport.destroy(&transport);
}

static void *flood(void *count)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE] = {0};

  for (int i = 0; i < *(int *)count; i++) {
    int len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_PING, (uint32_t)i, USMP_MAX_PAYLOAD);
    data_came(BINARY, true, frame, len, 0, len);
  }
  return NULL;
}

static bool is_held_up(void)
{
  usmp_ws_port_t *port = &ws.port;

  xSemaphoreTake(port->mutex, portMAX_DELAY);
  bool paused = ws.link.paused;
  xSemaphoreGive(port->mutex);
  return paused;
}

static void client_waits_while_nothing_is_read(void)
{
  const usmp_ws_config_t config = {.url = "ws://hub"};
  usmp_transport_t transport = dial(&config);
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  int count = 50;
  pthread_t thread;

  pthread_create(&thread, NULL, flood, &count);
  while (!is_held_up()) usleep(1000);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_PING, 1, 0);
  expect(len == USMP_HEADER_SIZE, "a frame");
  expect(transport.send(&transport, frame, (size_t)len) == USMP_SEND_NO_ROOM, "its lock is taken: nothing leaves");
  transport.wait_ms = 1000;
  for (int i = 0; i < count; i++) {
    int got = 0;
    while (got == 0) got = transport.recv(&transport, frame, sizeof frame);
    expect(got == (int)sizeof frame && frame[4] == i, "nothing is lost");
  }
  pthread_join(thread, NULL);
  count = 100;
  pthread_create(&thread, NULL, flood, &count);
  while (!is_held_up()) usleep(1000);
  transport.destroy(&transport); /* lets it go, or this would never return */
  pthread_join(thread, NULL);
}

static int refuse(const char *data, int len)
{
  (void)data, (void)len;
  return -1;
}

static void what_cannot_be_sent(void)
{
  const usmp_ws_config_t config = {.url = "ws://hub"};
  usmp_transport_t transport = dial(&config);
  uint8_t frame[USMP_HEADER_SIZE] = {0};
  int len = usmp_frame_encode(USMP_WIRE_VERSION, frame, USMP_TYPE_PING, 1, 0);

  stub_ws.on_send = refuse;
  expect(transport.send(&transport, frame, (size_t)len) == USMP_SEND_NO_ROOM, "later, while it is connected");
  stub_ws.connected = false;
  expect(transport.send(&transport, frame, (size_t)len) == USMP_ERR_TRANSPORT_FAILED, "never, when it is not");
  transport.destroy(&transport);
}

/* ---- a server behind the client: messages are a stream of frames to it, and the other way ---- */

static int bridge;

static int send_to_server(const char *data, int len)
{
  return send(bridge, data, (size_t)len, 0) == len ? len : -1;
}

static bool read_all(uint8_t *out, size_t len)
{
  return len == 0 || recv(bridge, out, len, MSG_WAITALL) == (ssize_t)len;
}

static void *carry_back(void *unused)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];

  (void)unused;
  while (read_all(frame, USMP_HEADER_SIZE)) {
    size_t payload = usmp_load16(frame + 8);
    if (!read_all(frame + USMP_HEADER_SIZE, payload)) break;
    int len = (int)(USMP_HEADER_SIZE + payload);
    data_came(BINARY, true, frame, len, 0, len);
  }
  return NULL;
}

static pthread_t carrier;

static void connect_through(void)
{
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(PORT)};

  inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
  bridge = socket(AF_INET, SOCK_STREAM, 0);
  expect(connect(bridge, (struct sockaddr *)&server, sizeof server) == 0, "a way to the server");
  become_connected();
  pthread_create(&carrier, NULL, carry_back, NULL);
}

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = psk;
  found->psk_len = sizeof psk;
  return 0;
}

static usmp_listener_t listener;

/* Sends each message back; two sessions. */
static void *serve(void *unused)
{
  static usmp_workspace_t memory;
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  int len;

  (void)unused;
  for (int i = 0; i < 2; i++) {
    usmp_t ctx = {.scratch = &memory, .scratch_len = sizeof memory, .recv_timeout_ms = USMP_RECV_FOREVER};
    while (usmp_accept(&listener, &ctx, 5000) == USMP_ERR_NOT_CONNECTED) continue;
    while ((len = usmp_recv(&ctx, message, sizeof message)) >= 0) usmp_send(&ctx, message, (uint16_t)len);
    expect(len == USMP_ERR_CLOSED, "a BYE");
    usmp_close(&ctx);
  }
  listener.close(&listener);
  return NULL;
}

static void echo(usmp_t *ctx)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];

  for (uint16_t size = 0; size <= sizeof message; size = (uint16_t)(size + 452)) {
    memset(message, size & 0xff, size);
    expect(usmp_send(ctx, message, size) == 0 && usmp_recv(ctx, message, sizeof message) == size, "an echo");
  }
}

static void sessions_over_it(void)
{
  static usmp_workspace_t memory;
  const usmp_ws_config_t config = {.url = "ws://hub"};
  usmp_t ctx = {.psk = psk, .psk_len = sizeof psk, .scratch = &memory, .scratch_len = sizeof memory, .recv_timeout_ms = 20000};
  usmp_transport_t transport;
  pthread_t server;

  memset(&stub_ws, 0, sizeof stub_ws);
  stub_ws.on_start = connect_through;
  stub_ws.on_send = send_to_server;
  expect(usmp_listener_tcp_init(&listener, PORT) == 0 && usmp_listen(&listener, find_psk, NULL) == 0, "a server");
  pthread_create(&server, NULL, serve, NULL);
  expect(usmp_transport_ws_init(&transport, &ws, &config) == 0 && usmp_connect(&ctx, &transport) == 0, "a session");
  echo(&ctx);
  usmp_close(&ctx);
  expect(stub_ws.close_code == 1000 && stub_ws.destroyed == 1, "a normal end");
  close(bridge);
  pthread_join(carrier, NULL);
  expect(usmp_reconnect(&ctx) == 0 && stub_ws.started == 2, "another one over a new WebSocket");
  echo(&ctx);
  usmp_close(&ctx);
  pthread_join(server, NULL);
  close(bridge);
  pthread_join(carrier, NULL);
  ctx.transport.destroy(&ctx.transport);
}

/* ---- a relay ---- */

static char joined[USMP_WS_PATH_SIZE];

static int answer_join(const char *data, int len)
{
  static const uint8_t waiting[] = {1};

  expect(len == 21 && memcmp(data, "UR\x01", 3) == 0 && data[3] == 1, "a JOIN of side 1");
  snprintf(joined, sizeof joined, "%s", stub_ws.config.path);
  data_came(BINARY, true, waiting, 1, 0, 1);
  return len;
}

static void peer_at_a_relay(void)
{
  static usmp_relay_t relay;
  const usmp_relay_config_t config = {.ws = {.url = "wss://relay", .ca = "CA"}, .pair_key = psk, .side = 1};
  usmp_t ctx = {0};

  memset(&stub_ws, 0, sizeof stub_ws);
  stub_ws.on_start = become_connected;
  stub_ws.on_send = answer_join;
  int err = usmp_relay_start(&relay, &config);
  expect(err == 0, "a peer");
  expect(usmp_relay_meet(&relay, &ctx, 1796040000, 30) == USMP_ERR_NOT_CONNECTED, "alone");
  expect(strcmp(stub_ws.config.subprotocol, USMP_RELAY_SUBPROTOCOL) == 0, "the subprotocol");
  expect(strncmp(joined, "/relay?s=", 9) == 0 && strlen(joined) == 11, "the byte for the balancer");
  usmp_relay_stop(&relay);
  expect(stub_ws.destroyed == 1, "left");
}

void app_main(void);
void app_main(void)
{
  setenv("STUB_MAC", "404ccaabcd10", 1);
  client_is_asked_for_what_the_address_says();
  problems_have_names();
  messages_in_parts();
  client_waits_while_nothing_is_read();
  what_cannot_be_sent();
  sessions_over_it();
  peer_at_a_relay();
  exit(0);
}
