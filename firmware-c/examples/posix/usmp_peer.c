/* usmp-peer: one end of a session, for trying things out and for tests against other implementations.
   The command line is described in firmware-c/README.md. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"
#ifdef USMP_PEER_MQTT
#include "usmp_mqtt.h"
#endif
#ifdef USMP_PEER_WS
#include "usmp_relay.h"
#endif
#include "usmp_posix.h"

/* Between two attempts to open a line that was unplugged. */
#define LINE_PAUSE_MS 500
/* Between two attempts to meet at a relay. */
#define MEETING_PAUSE_MS 300u

typedef struct options {
  const char *connect;
  const char *listen;
  uint8_t psk[256];
  size_t psk_len;
  uint8_t suite;
  bool echo;
  bool once;
  bool ping;
  unsigned long exchange; /* messages to send and get back */
  uint16_t sizes[8];      /* of the messages, in turn */
  size_t size_count;
  unsigned long rekey_every;
  uint32_t keepalive_ms;
  const char *site; /* MQTT */
  const char *ca;   /* this and the next two: wss */
  const char *certificate;
  const char *key;
  uint8_t token[64]; /* of a relay */
  size_t token_len;
} options_t;

static int fail(const char *what, const char *detail)
{
  fprintf(stderr, "usmp-peer: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
  return 2;
}

static void say(const char *word, const char *detail)
{
  printf("%s %s\n", word, detail);
  fflush(stdout);
}

/* ---- command line ---- */

/* The bytes of the file without a newline at its end, or the bytes that its hexadecimal digits stand for. */
static bool read_psk(const char *path, bool is_hex, options_t *o)
{
  char text[2 * sizeof o->psk + 2];
  FILE *file = fopen(path, "rb");

  if (!file) return false;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  if (len > 0 && text[len - 1] == '\n') len--;
  text[len] = 0;
  if (!is_hex) {
    if (len > sizeof o->psk) return false;
    memcpy(o->psk, text, len);
    o->psk_len = len;
    return true;
  }
  for (size_t i = 0; i + 1 < len; i += 2) {
    unsigned byte;
    if (sscanf(text + i, "%2x", &byte) != 1) return false;
    o->psk[o->psk_len++] = (uint8_t)byte;
  }
  return true;
}

static bool read_device_id(const char *text)
{
  uint8_t id[USMP_DEVICE_ID_LEN];
  if (usmp_posix_parse_device_id(text, id) != 0) return false;
  usmp_posix_set_device_id(id);
  return true;
}

static uint8_t suite_named(const char *name)
{
  if (strcmp(name, "aes") == 0) return USMP_CIPHER_AES256_GCM;
  return strcmp(name, "chacha") == 0 ? USMP_CIPHER_CHACHA20_POLY1305 : 0;
}

/* "0,1,1808" */
static bool read_sizes(const char *list, options_t *o)
{
  char *end;

  for (o->size_count = 0; o->size_count < sizeof o->sizes / sizeof *o->sizes; list = end + 1) {
    unsigned long size = strtoul(list, &end, 10);
    if (end == list || size > USMP_MAX_MESSAGE_LEN) return false;
    o->sizes[o->size_count++] = (uint16_t)size;
    if (*end != ',') return *end == 0;
  }
  return false;
}

/* Hexadecimal digits. */
static bool read_token(const char *path, options_t *o)
{
  char text[2 * sizeof o->token + 2] = {0};
  FILE *file = fopen(path, "r");

  if (!file) return false;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  for (size_t i = 0; i + 1 < len && o->token_len < sizeof o->token; i += 2) {
    unsigned byte;
    if (sscanf(text + i, "%2x", &byte) != 1) break;
    o->token[o->token_len++] = (uint8_t)byte;
  }
  return o->token_len > 0;
}

static bool read_tls_option(const char *name, const char *value, options_t *o)
{
  if (strcmp(name, "--ca") == 0) return (o->ca = value) != NULL;
  if (strcmp(name, "--cert") == 0) return (o->certificate = value) != NULL;
  if (strcmp(name, "--key") == 0) return (o->key = value) != NULL;
  return false;
}

static bool read_flag(const char *name, options_t *o)
{
  if (strcmp(name, "--echo") == 0) return o->echo = true;
  if (strcmp(name, "--once") == 0) return o->once = true;
  if (strcmp(name, "--ping") == 0) return o->ping = true;
  return false;
}

static bool read_option(const char *name, const char *value, options_t *o)
{
  if (strcmp(name, "--connect") == 0) return (o->connect = value) != NULL;
  if (strcmp(name, "--listen") == 0) return (o->listen = value) != NULL;
  if (strcmp(name, "--psk-file") == 0) return read_psk(value, false, o);
  if (strcmp(name, "--psk-hex-file") == 0) return read_psk(value, true, o);
  if (strcmp(name, "--site") == 0) return (o->site = value) != NULL;
  if (strcmp(name, "--suite") == 0) return (o->suite = suite_named(value)) != 0;
  if (strcmp(name, "--device-id") == 0) return read_device_id(value);
  if (strcmp(name, "--exchange") == 0) return (o->exchange = strtoul(value, NULL, 10)) > 0;
  if (strcmp(name, "--sizes") == 0) return read_sizes(value, o);
  if (strcmp(name, "--rekey-every") == 0) return (o->rekey_every = strtoul(value, NULL, 10)) > 0;
  if (strcmp(name, "--keepalive-ms") == 0) return (o->keepalive_ms = (uint32_t)strtoul(value, NULL, 10)) > 0;
  if (strcmp(name, "--token-file") == 0) return read_token(value, o);
  return read_tls_option(name, value, o);
}

static bool read_options(int argc, char **argv, options_t *o)
{
  memset(o, 0, sizeof *o);
  o->sizes[0] = 64;
  o->size_count = 1;
  o->site = "home";
  o->keepalive_ms = USMP_KEEPALIVE_MS;
  for (int i = 1; i < argc; i++) {
    if (read_flag(argv[i], o)) continue;
    if (i + 1 >= argc || !read_option(argv[i], argv[i + 1], o)) {
      fail("bad option", argv[i]);
      return false;
    }
    i++;
  }
  if (!o->connect == !o->listen) return fail("one of --connect and --listen is needed", NULL) == 0;
  if (o->psk_len == 0) return fail("--psk-file or --psk-hex-file is needed", NULL) == 0;
  return true;
}

/* "tcp:HOST:PORT", "serial:PATH:BAUD": splits at the first and the last colon. */
static bool split_address(const char *address, char kind[16], char host[USMP_HOST_MAX], int *number)
{
  const char *first = strchr(address, ':');
  const char *last = strrchr(address, ':');

  if (!first || first - address >= 16) return false;
  memcpy(kind, address, (size_t)(first - address));
  kind[first - address] = 0;
  size_t len = last > first ? (size_t)(last - first - 1) : strlen(first + 1);
  if (len >= USMP_HOST_MAX) return false;
  memcpy(host, first + 1, len);
  host[len] = 0;
  *number = last > first ? atoi(last + 1) : 0;
  return true;
}

#ifdef USMP_PEER_MQTT
static int dial_mqtt(usmp_transport_t *transport, const options_t *o)
{
  static usmp_mqtt_t mqtt;
  const usmp_mqtt_config_t config = {.url = o->connect, .site = o->site};

  int err = usmp_mqtt_start(&mqtt, &config);
  if (err == USMP_OK) err = usmp_transport_mqtt_init(transport, &mqtt);
  if (err == USMP_ERR_UNREACHABLE) fail("no broker", usmp_mqtt_problem(&mqtt));
  return err;
}
#endif

#ifdef USMP_PEER_WS
static int dial_ws(usmp_transport_t *transport, const options_t *o)
{
  static usmp_ws_t ws;
  const usmp_ws_config_t config = {.url = o->connect, .ca = o->ca, .certificate = o->certificate, .key = o->key};

  int err = usmp_transport_ws_init(transport, &ws, &config);
  if (err == USMP_ERR_UNREACHABLE) fail("no WebSocket", usmp_ws_problem(&ws));
  return err;
}
#endif

static int dial(usmp_transport_t *transport, const options_t *o)
{
  const char *address = o->connect;
  char kind[16];
  char host[USMP_HOST_MAX];
  int number;

  if (!split_address(address, kind, host, &number)) return USMP_ERR_INVALID_ARGUMENT;
  if (strcmp(kind, "tcp") == 0) return usmp_transport_tcp_init(transport, host, number);
  if (strcmp(kind, "udp") == 0) return usmp_transport_udp_init(transport, host, number);
  if (strcmp(kind, "serial") == 0) return usmp_transport_serial_init(transport, host, number);
#ifdef USMP_PEER_MQTT
  if (strcmp(kind, "mqtt") == 0) return dial_mqtt(transport, o);
#endif
#ifdef USMP_PEER_WS
  if (strcmp(kind, "ws") == 0 || strcmp(kind, "wss") == 0) return dial_ws(transport, o);
#endif
  if (strcmp(kind, "cobs-tcp") == 0) { /* a line whose other end is a socket, as an emulator offers it */
    int err = usmp_transport_tcp_init(transport, host, number);
    transport->kind = USMP_KIND_SERIAL;
    return err;
  }
  return USMP_ERR_INVALID_ARGUMENT;
}

static int open_listener(usmp_listener_t *listener, const char *address)
{
  char kind[16];
  char host[USMP_HOST_MAX];
  int number;

  if (!split_address(address, kind, host, &number)) return USMP_ERR_INVALID_ARGUMENT;
  if (strcmp(kind, "tcp") == 0) return usmp_listener_tcp_init(listener, host, number);
  if (strcmp(kind, "udp") == 0) return usmp_listener_udp_init(listener, host, number);
  if (strcmp(kind, "serial") == 0) return usmp_listener_serial_init(listener, host, number);
  return USMP_ERR_INVALID_ARGUMENT;
}

/* ---- a session ---- */

static void print_hex(char *out, const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++) sprintf(out + 2 * i, "%02x", bytes[i]);
}

static void say_connected(const usmp_t *ctx)
{
  char text[2 * (USMP_DEVICE_ID_LEN + USMP_SESSION_ID_LEN) + 2] = {0};
  print_hex(text, ctx->device_id, USMP_DEVICE_ID_LEN);
  text[2 * USMP_DEVICE_ID_LEN] = ' ';
  print_hex(text + 2 * USMP_DEVICE_ID_LEN + 1, ctx->session_id, USMP_SESSION_ID_LEN);
  say("connected", text);
}

static int exchange(usmp_t *ctx, const options_t *o)
{
  const exchange_plan_t plan = {
    .count = o->exchange,
    .sizes = o->sizes,
    .size_count = o->size_count,
    .rekey_every = o->rekey_every,
    .ping = o->ping,
  };
  char text[32];

  int err = exchange_messages(ctx, &plan);
  if (err < 0) return err;
  snprintf(text, sizeof text, "%lu", o->exchange);
  say("exchanged", text);
  return USMP_OK;
}

/* 1: a line was sent; 0: there is none now. */
static int send_line(usmp_t *ctx, bool *input_open)
{
  char line[USMP_MAX_MESSAGE_LEN + 2];
  struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};

  if (!*input_open || poll(&poller, 1, 0) <= 0) return USMP_OK;
  if (!fgets(line, sizeof line, stdin)) {
    *input_open = false;
    return USMP_OK;
  }
  int err = usmp_send(ctx, (const uint8_t *)line, (uint16_t)strcspn(line, "\n"));
  return err < 0 ? err : 1;
}

static void say_message(const uint8_t *message, int len)
{
  static char text[USMP_MAX_MESSAGE_LEN + 1];
  for (int i = 0; i < len; i++) text[i] = message[i] >= ' ' && message[i] < 127 ? (char)message[i] : '.';
  text[len] = 0;
  say("message", text);
}

/* Lines from the standard input go out, messages are shown. A client ends it with its input; a server has perhaps none,
   and leaves the end to the peer. */
static int converse(usmp_t *ctx, const options_t *o)
{
  static uint8_t message[USMP_MAX_MESSAGE_LEN];
  bool input_open = true;

  setvbuf(stdin, NULL, _IONBF, 0);
  for (;;) {
    int err = send_line(ctx, &input_open);
    if (err < 0) return err;
    ctx->recv_timeout_ms = err ? 1 : 100; /* the next line may be there already */
    if (!input_open && o->connect) return USMP_OK;
    int len = usmp_recv(ctx, message, sizeof message);
    if (len < 0) return len;
    if (!ctx->timed_out) say_message(message, len);
  }
}

static int use_once(usmp_t *ctx, const options_t *o)
{
  say_connected(ctx);
  if (o->exchange) return exchange(ctx, o);
  return o->echo ? exchange_echo(ctx) : converse(ctx, o);
}

static int use_session(usmp_t *ctx, const options_t *o)
{
  int err;

  while ((err = use_once(ctx, o)) == USMP_ERR_REPLACED) say("closed", usmp_err_name(err));
  usmp_close(ctx);
  say("closed", usmp_err_name(err < 0 ? err : USMP_ERR_CLOSED));
  return err;
}

static int run_client(const options_t *o)
{
  usmp_t ctx = {.psk = o->psk, .psk_len = o->psk_len, .keepalive_ms = o->keepalive_ms, .cipher_suite = o->suite};
  usmp_transport_t transport = {0};

  int err = dial(&transport, o);
  if (err == 0) err = usmp_connect(&ctx, &transport);
  if (err < 0) {
    say("failed", usmp_err_name(err));
    return 1;
  }
  err = use_session(&ctx, o);
  if (ctx.transport.destroy) ctx.transport.destroy(&ctx.transport); /* leaves a broker in good order */
  return err < 0 && err != USMP_ERR_CLOSED;
}

static int find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  const options_t *o = context;
  (void)device_id; /* one PSK for all: good enough for a try-out, not for a fleet */
  found->psk = o->psk;
  found->psk_len = o->psk_len;
  return USMP_OK;
}

/* A line that was unplugged: waits until it is there again. The lockout goes on. */
static void reopen_line(usmp_listener_t *listener, const options_t *o)
{
  usmp_listener_t again;

  listener->close(listener);
  while (open_listener(&again, o->listen) < 0) usmp_port_delay_ms(LINE_PAUSE_MS);
  listener->fd = again.fd;
  say("listening", "0");
}

static int run_server(options_t *o)
{
  bool is_line = strncmp(o->listen, "serial:", 7) == 0;
  usmp_listener_t listener;
  char text[16];

  if (open_listener(&listener, o->listen) < 0) return fail("cannot listen at", o->listen);
  if (usmp_listen(&listener, find_psk, o) < 0) return fail("cannot start", NULL);
  snprintf(text, sizeof text, "%d", listener.port);
  say("listening", text);
  for (;;) {
    usmp_t ctx = {.keepalive_ms = o->keepalive_ms, .cipher_suite = o->suite};
    int err = usmp_accept(&listener, &ctx, 1000);
    if (err == USMP_ERR_NOT_CONNECTED) continue;
    if (err < 0) {
      say("failed", usmp_err_name(err));
      if (is_line && err == USMP_ERR_TRANSPORT_FAILED) reopen_line(&listener, o);
      continue;
    }
    err = use_session(&ctx, o);
    if (o->once) {
      listener.close(&listener);
      return err < 0 && err != USMP_ERR_CLOSED;
    }
  }
}

#ifdef USMP_PEER_WS
#define RELAY_PREFIX "relay+"

static bool is_at_relay(const char *address)
{
  return address && strncmp(address, RELAY_PREFIX, strlen(RELAY_PREFIX)) == 0;
}

/* Until there is a session, or what cannot get better. */
static int await_meeting(usmp_relay_t *relay, usmp_t *ctx)
{
  for (;;) {
    int err = usmp_relay_meet(relay, ctx, (uint64_t)time(NULL), 1000);
    if (err == USMP_ERR_NOT_CONNECTED) continue;
    if (err == USMP_OK || err == USMP_ERR_INVALID_ARGUMENT || err == USMP_ERR_CRYPTO_FAILED) return err;
    if (err == USMP_ERR_UNREACHABLE) fail("at the relay", usmp_ws_problem(&relay->ws));
    say("failed", usmp_err_name(err));
    usmp_port_delay_ms(MEETING_PAUSE_MS);
  }
}

/* Side 1, the client, ends with its session; side 0 waits for the next one. The key of the command line is the pair key. */
static int run_at_relay(const options_t *o)
{
  static usmp_relay_t relay;
  const char *address = o->connect ? o->connect : o->listen;
  const usmp_relay_config_t config = {
    .ws = {.url = address + strlen(RELAY_PREFIX), .ca = o->ca, .certificate = o->certificate, .key = o->key},
    .pair_key = o->psk,
    .side = o->connect ? 1 : 0,
    .token = o->token,
    .token_len = o->token_len,
  };

  int err = o->psk_len == USMP_PAIR_KEY_SIZE ? usmp_relay_start(&relay, &config) : USMP_ERR_INVALID_ARGUMENT;
  if (err != USMP_OK) return fail("cannot start", usmp_err_name(err));
  do {
    usmp_t ctx = {.keepalive_ms = o->keepalive_ms, .cipher_suite = o->suite};
    err = await_meeting(&relay, &ctx);
    if (err == USMP_OK) err = use_session(&ctx, o);
  } while (o->listen && !o->once);
  usmp_relay_stop(&relay);
  return err < 0 && err != USMP_ERR_CLOSED;
}
#endif

int main(int argc, char **argv)
{
  options_t o;

  if (!read_options(argc, argv, &o)) return 2;
#ifdef USMP_PEER_WS
  if (is_at_relay(o.connect) || is_at_relay(o.listen)) return run_at_relay(&o);
#endif
  return o.connect ? run_client(&o) : run_server(&o);
}
