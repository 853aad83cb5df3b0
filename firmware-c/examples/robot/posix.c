/* robolink-robot: the robot as a program of this machine, a client of a RoboLink hub over TCP, UDP, a WebSocket or a serial line.
   It comes back by itself when it loses the hub. Exit codes: 2 for a mistake in the command line, 5 when the hub does
   not take its key or says goodbye. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_file.h"
#include "robot_session.h"
#include "usmp_posix.h"
#ifdef ROBOT_WS
#include "usmp_ws.h"
#endif

#define FIRST_BACKOFF_MS 250u
#define LONGEST_BACKOFF_MS 2000u
/* A hub that says nothing for so long, though it is asked every second, is gone. The engine is more patient: up to 60 s
   on serial lines, 30 s over UDP. A robot would rather look for its hub. */
#define KEEPALIVE_MS 1000u
#define SILENCE_MS 3500u
/* A refusal after our proof is nearly always a wrong key; after so many in a row it is not tried again. */
#define MAX_REFUSALS 5
#define MIN_PSK 16
#define MAX_PSK 64
#define MAX_NAME 64

enum { EXIT_USAGE = 2, EXIT_REFUSED = 5 };

typedef struct options {
  char kind[16];
  char host[USMP_HOST_MAX]; /* of a WebSocket the whole address */
  const char *ca;           /* wss: a file with the certificate that is trusted; null: the system's */
  int number;               /* port or baud */
  uint8_t psk[MAX_PSK];
  size_t psk_len;
  char name[MAX_NAME + 1];
} options_t;

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
  (void)number;
  told_to_end = 1;
}

/* One line on the standard error. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  fputs("robot: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

/* ---- command line ---- */

static bool read_psk(const char *path, options_t *o)
{
  return (o->psk_len = read_key_file(path, o->psk, sizeof o->psk)) >= MIN_PSK;
}

static bool read_device_id(const char *text)
{
  uint8_t id[USMP_DEVICE_ID_LEN];
  if (usmp_posix_parse_device_id(text, id) != 0) return false;
  usmp_posix_set_device_id(id);
  return true;
}

/* A whole number from 0 to `most`, or -1. */
static int parse_number(const char *text, long most)
{
  char *end;
  long value = strtol(text, &end, 10);
  return end == text || *end || value < 0 || value > most ? -1 : (int)value;
}

/* "ws://..." and "wss://...": the rest is read by usmp_transport_ws_init. */
static bool read_url(const char *url, options_t *o)
{
  if (strlen(url) >= sizeof o->host) return false;
  strcpy(o->kind, "websocket");
  strcpy(o->host, url);
  return true;
}

/* "tcp:HOST:PORT", "udp:HOST:PORT", "serial:PATH" or "serial:PATH:BAUD", or the address of a WebSocket. */
static bool read_address(const char *address, options_t *o)
{
  if (strncmp(address, "ws://", 5) == 0 || strncmp(address, "wss://", 6) == 0) return read_url(address, o);
  const char *rest = strchr(address, ':');
  size_t kind_len = rest ? (size_t)(rest - address) : sizeof o->kind;

  if (kind_len >= sizeof o->kind || strlen(rest + 1) >= sizeof o->host) return false;
  memcpy(o->kind, address, kind_len);
  o->kind[kind_len] = 0;
  strcpy(o->host, rest + 1);
  bool serial = strcmp(o->kind, "serial") == 0;
  char *last = strrchr(o->host, ':');
  int number = last ? parse_number(last + 1, serial ? 4000000 : 65535) : -1;
  if (number >= 0) {
    *last = 0;
    o->number = number;
  }
  if (o->host[0] == 0) return false;
  if (serial) return true;
  return number > 0 && (strcmp(o->kind, "tcp") == 0 || strcmp(o->kind, "udp") == 0);
}

static bool read_name(const char *text, options_t *o)
{
  size_t len = strlen(text);
  if (len == 0 || len >= sizeof o->name) return false;
  memcpy(o->name, text, len + 1);
  return true;
}

static int usage(const char *what)
{
  fprintf(stderr,
          "robolink-robot: %s\n"
          "usage: robolink-robot --connect tcp:HOST:PORT | udp:HOST:PORT | serial:PATH[:BAUD] | wss://HOST[:PORT][/PATH]\n"
          "                      --id AA:BB:CC:DD:EE:FF --psk-file FILE [--name NAME] [--ca FILE]\n"
          "FILE holds the key of this robot: hex digits, or 32 raw bytes.\n",
          what);
  return EXIT_USAGE;
}

static bool read_option(const char *name, const char *value, options_t *o, bool *has_id)
{
  if (strcmp(name, "--connect") == 0) return read_address(value, o);
  if (strcmp(name, "--id") == 0) return *has_id = read_device_id(value);
  if (strcmp(name, "--psk-file") == 0) return read_psk(value, o);
  if (strcmp(name, "--name") == 0) return read_name(value, o);
  if (strcmp(name, "--ca") == 0) return (o->ca = value)[0] != 0;
  return false;
}

/* 0, or the exit code. */
static int read_options(int argc, char **argv, options_t *o)
{
  bool has_id = false;

  strcpy(o->name, "robot in C");
  for (int i = 1; i < argc; i += 2) {
    char what[128];
    snprintf(what, sizeof what, "%s is unknown, or its value is missing or wrong", argv[i]);
    if (i + 1 >= argc || !read_option(argv[i], argv[i + 1], o, &has_id)) return usage(what);
  }
  if (!o->kind[0]) return usage("--connect is missing: where the hub is");
  if (!has_id) return usage("--id is missing: the device id of this robot");
  if (!o->psk_len) return usage("--psk-file is missing: the key of this robot");
#ifndef ROBOT_WS
  if (strcmp(o->kind, "websocket") == 0)
    return usage("WebSockets are not in this build: install libwebsockets-dev and build again");
#endif
  return 0;
}

/* ---- sessions ---- */

#ifdef ROBOT_WS
static usmp_err_t dial_ws(usmp_transport_t *transport, const options_t *o)
{
  static usmp_ws_t ws;
  const usmp_ws_config_t config = {.url = o->host, .ca = o->ca};

  usmp_err_t error = (usmp_err_t)usmp_transport_ws_init(transport, &ws, &config);
  if (error == USMP_ERR_UNREACHABLE) say("no WebSocket: %s", usmp_ws_problem(&ws));
  return error;
}
#endif

static usmp_err_t dial(usmp_transport_t *transport, const options_t *o)
{
#ifdef ROBOT_WS
  if (strcmp(o->kind, "websocket") == 0) return dial_ws(transport, o);
#endif
  if (strcmp(o->kind, "tcp") == 0) return (usmp_err_t)usmp_transport_tcp_init(transport, o->host, o->number);
  if (strcmp(o->kind, "udp") == 0) return (usmp_err_t)usmp_transport_udp_init(transport, o->host, o->number);
  return (usmp_err_t)usmp_transport_serial_init(transport, o->host, o->number);
}

static struct {
  int (*receive)(usmp_transport_t *t, uint8_t *buffer, size_t max_len); /* the transport's own */
  uint32_t heard_at;
  bool in_session;
} watch;

/* As the transport does it; below -1, which is the end of the session, after too long a silence. */
static int watched_receive(usmp_transport_t *transport, uint8_t *buffer, size_t max_len)
{
  int len = watch.receive(transport, buffer, max_len);
  uint32_t now = usmp_port_millis();

  if (len != 0 || !watch.in_session) watch.heard_at = now;
  return now - watch.heard_at > SILENCE_MS ? -2 : len;
}

/* Makes a session. `*proven`: the hub had our proof when it failed. */
static usmp_err_t shake_hands(usmp_t *ctx, const options_t *o, bool *proven)
{
  usmp_transport_t transport = {0};

  *proven = false;
  watch.in_session = false;
  usmp_err_t error = dial(&transport, o);
  watch.receive = transport.recv;
  transport.recv = watched_receive;
  if (error == USMP_OK) error = usmp_connect_async(ctx, &transport);
  while (error == USMP_OK && !usmp_is_connected(ctx) && !told_to_end) {
    *proven = usmp_get_state(ctx) == USMP_STATE_AWAITING_SESSION_OK;
    usmp_port_delay_ms(1);
    error = usmp_step(ctx);
  }
  return error;
}

static usmp_err_t send_text(usmp_t *ctx, const char *text, size_t len)
{
  return len > 0 ? usmp_send(ctx, (const uint8_t *)text, (uint16_t)len) : USMP_OK;
}

/* Takes one message in and answers it, or lets the time pass until the robot has something to do. */
static usmp_err_t poll_once(usmp_t *ctx, robot_session_t *session)
{
  uint8_t message[USMP_MAX_MESSAGE_LEN];
  char answer[ROBOT_MESSAGE_SIZE];
  uint32_t wait = robot_session_wait(session, usmp_port_millis());

  ctx->recv_timeout_ms = wait > 0 ? wait : 1;
  int len = usmp_recv(ctx, message, sizeof message);
  if (len < 0) return (usmp_err_t)len;
  if (ctx->timed_out) return USMP_OK;
  return send_text(ctx, answer, robot_session_receive(session, message, (size_t)len, usmp_port_millis(), answer));
}

/* Until the session or the program ends. */
static usmp_err_t serve(usmp_t *ctx, robot_session_t *session)
{
  char message[ROBOT_MESSAGE_SIZE];
  usmp_err_t error = USMP_OK;

  while (error == USMP_OK && !told_to_end) {
    size_t len = robot_session_poll(session, usmp_port_millis(), message);
    error = len > 0 ? send_text(ctx, message, len) : poll_once(ctx, session);
  }
  return error;
}

/* True when the program was not told to end meanwhile. */
static bool wait_a_while(uint32_t ms)
{
  for (uint32_t waited = 0; waited < ms && !told_to_end; waited += 10) usmp_port_delay_ms(10);
  return !told_to_end;
}

static int run(const options_t *o)
{
  static robot_session_t session;
  usmp_t ctx = {.psk = o->psk, .psk_len = o->psk_len, .keepalive_ms = KEEPALIVE_MS};
  uint32_t backoff = FIRST_BACKOFF_MS;
  int refusals = 0;

  robot_session_init(&session, o->name, "c", usmp_port_millis());
  do {
    bool proven;
    usmp_err_t error = shake_hands(&ctx, o, &proven);
    if (told_to_end) break;
    if (error == USMP_OK) {
      say("connected to %s:%s", o->kind, o->host);
      backoff = FIRST_BACKOFF_MS;
      refusals = 0;
      watch.in_session = true;
      robot_session_connected(&session, usmp_port_millis());
      error = serve(&ctx, &session);
      robot_session_lost(&session, usmp_port_millis());
      if (told_to_end) break;
      say("session ended: %s", usmp_err_name(error));
    } else {
      refusals = proven ? refusals + 1 : 0;
      say("no session: %s%s", usmp_err_name(error), proven ? ", after our proof: wrong key or unknown id?" : "");
    }
    usmp_close(&ctx);
    if (session.goodbye[0]) {
      say("the hub said goodbye: %s; coming back would not help", session.goodbye);
      return EXIT_REFUSED;
    }
    if (error == USMP_ERR_AUTH_FAILED || refusals >= MAX_REFUSALS) {
      say("given up: the key or the id is not the one that the hub knows");
      return EXIT_REFUSED;
    }
    say("again in %u ms", (unsigned)backoff);
    if (!wait_a_while(backoff)) break;
    backoff = backoff * 2 < LONGEST_BACKOFF_MS ? backoff * 2 : LONGEST_BACKOFF_MS;
  } while (!told_to_end);
  usmp_close(&ctx);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
  static options_t options;
  struct sigaction action = {.sa_handler = on_signal};

  setvbuf(stderr, NULL, _IOLBF, 0);
  int code = read_options(argc, argv, &options);
  if (code == 0) {
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    code = run(&options);
  }
  usmp_wipe(&options, sizeof options);
  return code;
}
