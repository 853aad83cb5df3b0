#include "pair.h"

#include <string.h>

#define SEND_EVERY_MS 1000u
#define LOOK_MS 100u /* between two looks at what came: queries, and a client */
#define TRY_AGAIN_MS 10000u
#define MESSAGE_MAX 200
#define LINE_MAX_LEN (MESSAGE_MAX + 32)
#define KEEPALIVE_MS 1500u /* with USMP_IDLE_MS of 5 s: a peer that is gone is noticed after 5 s */

/* ---- lines ---- */

/* Four texts behind each other; what does not fit is cut off. */
static void say(const char *first, const char *second, const char *third, const char *fourth)
{
  const char *words[] = {first, second, third, fourth};
  char line[LINE_MAX_LEN];
  size_t len = 0;

  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    for (const char *c = words[i]; *c && len < sizeof line - 1; c++) line[len++] = *c;
  }
  line[len] = 0;
  pair_say(line);
}

static const char *number_text(uint32_t number, char text[11])
{
  char *at = text + 10;

  *at = 0;
  do {
    *--at = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return at;
}

/* ---- a session, the same at both ends ---- */

/* What this device has to do besides its session. */
typedef void (*meanwhile_fn)(void *context);

static int send_measurement(usmp_t *ctx)
{
  char text[MESSAGE_MAX];

  pair_measure(text, sizeof text);
  return usmp_send(ctx, (const uint8_t *)text, (uint16_t)strlen(text));
}

/* Says what came. Only printable characters, as it goes to a terminal. */
static int take_message(usmp_t *ctx)
{
  char text[MESSAGE_MAX + 1];

  int len = usmp_recv(ctx, (uint8_t *)text, MESSAGE_MAX);
  if (len < 0) return len == USMP_ERR_REPLACED || len == USMP_ERR_MESSAGE_TOO_LARGE ? USMP_OK : len;
  if (ctx->timed_out) return USMP_OK;
  text[len] = 0;
  for (int i = 0; i < len; i++) {
    if (text[i] < ' ' || text[i] > '~') text[i] = '?';
  }
  say("message ", text, "", "");
  return USMP_OK;
}

/* Sends and receives until the session ends. Returns why. */
static int hold_session(usmp_t *ctx, meanwhile_fn meanwhile, void *context)
{
  uint32_t sent_at = usmp_port_millis() - SEND_EVERY_MS;
  int err = USMP_OK;

  ctx->recv_timeout_ms = LOOK_MS;
  say("connected", "", "", "");
  while (err >= 0) {
    if (usmp_port_millis() - sent_at >= SEND_EVERY_MS) {
      sent_at = usmp_port_millis();
      err = send_measurement(ctx);
    }
    if (err >= 0) err = take_message(ctx);
    if (meanwhile) meanwhile(context);
  }
  say("lost ", usmp_err_name(err), "", "");
  usmp_close(ctx);
  return err;
}

/* ---- the one that accepts ---- */

static int find_key(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  const pair_config_t *config = context;

  if (memcmp(device_id, config->peer_id, USMP_DEVICE_ID_LEN) != 0) return USMP_ERR_UNKNOWN_DEVICE;
  found->psk = config->key;
  found->psk_len = sizeof config->key;
  return USMP_OK;
}

typedef struct acceptor {
  usmp_discovery_socket_t socket;
  usmp_discovery_responder_t responder;
  usmp_listener_t listener;
} acceptor_t;

static void answer_queries(void *context)
{
  acceptor_t *self = context;
  (void)usmp_discovery_serve(&self->socket, &self->responder, 0);
}

static int random_bytes(void *context, uint8_t *out, size_t len)
{
  (void)context;
  return usmp_port_random(out, len);
}

static int start_acceptor(acceptor_t *self, const pair_config_t *config)
{
  usmp_discovery_offer_t offer = {.role = USMP_DISCOVERY_DEVICE, .carrier_count = 1};
  char digits[11];

  int port = pair_listen(&self->listener, config->port);
  if (port < 0) return port;
  int err = usmp_listen(&self->listener, find_key, (void *)(uintptr_t)config);
  if (err < 0) return err;
  offer.carriers[0] = (usmp_discovery_carrier_t){USMP_CARRIER_UDP, (uint16_t)port};
  err = usmp_discovery_make_instance(random_bytes, NULL, offer.instance);
  if (err == USMP_OK) err = usmp_discovery_init_responder(&self->responder, &offer);
  if (err == USMP_OK) err = usmp_discovery_open(&self->socket, config->query_port);
  if (err == USMP_OK) say("accepting ", number_text((uint32_t)port, digits), "", "");
  return err;
}

static int run_acceptor(const pair_config_t *config)
{
  static acceptor_t self;

  int err = start_acceptor(&self, config);
  if (err < 0) return err;
  do {
    usmp_t ctx = {.keepalive_ms = KEEPALIVE_MS};
    answer_queries(&self);
    err = usmp_accept(&self.listener, &ctx, LOOK_MS);
    if (err == USMP_OK) (void)hold_session(&ctx, answer_queries, &self);
    else if (err != USMP_ERR_NOT_CONNECTED) say("refused ", usmp_err_name(err), "", "");
  } while (err != USMP_ERR_INVALID_ARGUMENT);
  return err;
}

/* ---- the one that connects ---- */

/* True when there was a session. */
static bool connect_to(const usmp_discovery_found_t *found, const pair_config_t *config)
{
  char ip[USMP_DISCOVERY_IP_TEXT], digits[11];
  usmp_t ctx = {
    .psk = config->key, .psk_len = sizeof config->key, .own_device_id = config->own_id, .keepalive_ms = KEEPALIVE_MS};
  usmp_transport_t transport;
  uint16_t port = usmp_discovery_port_of(&found->offer, USMP_CARRIER_UDP);

  usmp_discovery_format_ip(found->address.ip, ip);
  say("trying ", ip, ":", number_text(port, digits));
  int err = usmp_transport_udp_init(&transport, ip, port);
  if (err == USMP_OK) err = usmp_connect(&ctx, &transport);
  if (err < 0) {
    say("refused ", usmp_err_name(err), "", "");
    return false;
  }
  (void)hold_session(&ctx, NULL, NULL);
  return true;
}

/* One that was not tried lately; null: there is none. */
static usmp_discovery_found_t *next_to_try(usmp_discovery_searcher_t *searcher, uint32_t now)
{
  for (size_t i = 0; i < searcher->count; i++) {
    usmp_discovery_found_t *found = &searcher->found[i];
    bool takes_udp = usmp_discovery_port_of(&found->offer, USMP_CARRIER_UDP) != 0;
    if (takes_udp && (found->mark == 0 || now - found->mark >= TRY_AGAIN_MS)) return found;
  }
  return NULL;
}

/* Some finds are not the other one of the pair. Those do not have the key, and are tried again only after a while. */
static void try_found(usmp_discovery_searcher_t *searcher, const pair_config_t *config)
{
  usmp_discovery_found_t *found;

  while ((found = next_to_try(searcher, usmp_port_millis()))) {
    found->mark = usmp_port_millis() | 1u; /* never 0 */
    if (!connect_to(found, config)) continue;
    searcher->count = 0; /* the other one was lost: where it is now, it has to say again */
    usmp_discovery_restart_search(searcher, usmp_port_millis());
  }
}

static int run_searcher(const pair_config_t *config)
{
  static usmp_discovery_searcher_t searcher;
  static usmp_discovery_socket_t socket;
  const usmp_discovery_wish_t wish = {.roles = USMP_DISCOVERY_DEVICE, .random = random_bytes};

  int err = usmp_discovery_open(&socket, 0);
  if (err == USMP_OK) err = usmp_discovery_init_searcher(&searcher, &wish, usmp_port_millis());
  if (err < 0) return err;
  say("searching", "", "", "");
  do {
    err = usmp_discovery_search(&socket, &searcher, config->query_port, config->hosts, config->host_count, LOOK_MS);
    try_found(&searcher, config);
  } while (err >= 0 || err == USMP_ERR_UNREACHABLE); /* a network may come later */
  return err;
}

/* ---- both ---- */

bool pair_accepts(const pair_config_t *config)
{
  return memcmp(config->own_id, config->peer_id, USMP_DEVICE_ID_LEN) < 0;
}

int pair_run(const pair_config_t *config)
{
  if (memcmp(config->own_id, config->peer_id, USMP_DEVICE_ID_LEN) == 0) return USMP_ERR_INVALID_ARGUMENT;
  return pair_accepts(config) ? run_acceptor(config) : run_searcher(config);
}
