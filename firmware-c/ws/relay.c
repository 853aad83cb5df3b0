#include "usmp_relay.h"

#include <string.h>

#include "usmp/callbacks.h"
#include "usmp/psk.h"
#include "ws_transport.h"

#define LONGEST_WAIT_MS 250u /* between two feedings of the watchdog */
#define SECONDS_A_DAY 86400u
/* Of every pair: what every peer has, and what leaks nothing by its time in plain JavaScript. */
#define SUITE USMP_CIPHER_CHACHA20_POLY1305
#define JOIN_HEAD 21u /* "UR", version, flags, route, length of the token */
#define DEFAULT_PATH "/relay"
/* A peer that is alone joins again after this time: the connection may be dead without anybody having told. */
#define LONGEST_STAY_MS 300000u

/* ---- what a pair key gives ---- */

static int derive(const usmp_crypto_t *crypto, const uint8_t *pair_key, const char *label, const char *day, uint8_t *out,
                  size_t len)
{
  static const uint8_t no_salt[1] = {0};
  char info[USMP_HKDF_INFO_MAX];
  uint8_t bytes[64];
  size_t label_len = strlen(label);
  size_t day_len = strlen(day);

  if (label_len + day_len > sizeof info) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(info, label, label_len);
  memcpy(info + label_len, day, day_len);
  int err = usmp_hkdf64(crypto, no_salt, 0, pair_key, USMP_PAIR_KEY_SIZE, (const uint8_t *)info, label_len + day_len, bytes);
  if (err == USMP_OK) memcpy(out, bytes, len);
  usmp_wipe(bytes, sizeof bytes);
  return err;
}

int usmp_pair_day(const usmp_crypto_t *crypto, const uint8_t pair_key[USMP_PAIR_KEY_SIZE], const char *day,
                  usmp_pair_day_t *out)
{
  int err = derive(crypto, pair_key, "usmp-relay route v1", day, out->route, sizeof out->route);

  if (err == USMP_OK) err = derive(crypto, pair_key, "usmp-relay device v1", day, out->device_id, sizeof out->device_id);
  out->device_id[0] = (uint8_t)((out->device_id[0] & 0xFCu) | 0x02u); /* assigned locally, of one station */
  return err;
}

int usmp_pair_psk(const usmp_crypto_t *crypto, const uint8_t pair_key[USMP_PAIR_KEY_SIZE], uint8_t psk[USMP_KEY_SIZE])
{
  return derive(crypto, pair_key, "usmp-relay session psk v1", "", psk, USMP_KEY_SIZE);
}

/* ---- days ---- */

static void put_number(char *at, unsigned digits, uint32_t value)
{
  while (digits > 0) {
    at[--digits] = (char)('0' + value % 10u);
    value /= 10u;
  }
}

static bool is_leap_year(uint32_t year)
{
  return (year % 4u == 0 && year % 100u != 0) || year % 400u == 0;
}

void usmp_relay_day(uint64_t unix_seconds, char day[USMP_RELAY_DAY_SIZE])
{
  static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  uint32_t left = (uint32_t)(unix_seconds / SECONDS_A_DAY);
  uint32_t year = 1970;
  uint32_t month = 0;

  for (uint32_t len = 365; left >= len; len = is_leap_year(year) ? 366u : 365u) {
    left -= len;
    year++;
  }
  for (uint32_t len = 31; left >= len; len = lengths[month] + (month == 1 && is_leap_year(year) ? 1u : 0u)) {
    left -= len;
    month++;
  }
  put_number(day, 4, year);
  day[4] = day[7] = '-';
  put_number(day + 5, 2, month + 1);
  put_number(day + 8, 2, left + 1);
  day[10] = 0;
}

/* The other day that a peer with another clock may be at; the same time when there is none. */
static uint64_t other_side_of_midnight(uint64_t unix_seconds)
{
  uint32_t second = (uint32_t)(unix_seconds % SECONDS_A_DAY);

  if (second < USMP_RELAY_MARGIN_S && unix_seconds >= SECONDS_A_DAY) return unix_seconds - SECONDS_A_DAY;
  return second >= SECONDS_A_DAY - USMP_RELAY_MARGIN_S ? unix_seconds + SECONDS_A_DAY : unix_seconds;
}

/* Where to wait next. Near midnight side 1 comes to both days while side 0 stays at one: so they meet. */
static void choose_stay(usmp_relay_t *relay, uint64_t unix_seconds)
{
  static const uint16_t turns_ms[2] = {20000, 6000}; /* of the two sides */
  uint64_t other = other_side_of_midnight(unix_seconds);
  bool near_midnight = other != unix_seconds;

  relay->stay_ms = near_midnight ? turns_ms[relay->config.side] : LONGEST_STAY_MS;
  usmp_relay_day(near_midnight && relay->turn % 2u == 1 ? other : unix_seconds, relay->day);
  relay->turn++;
}

/* Away from midnight a wait lasts until the margin begins, or until it is time to join again. */
static bool is_stay_over(const usmp_relay_t *relay, uint64_t unix_seconds)
{
  bool near_midnight = other_side_of_midnight(unix_seconds) != unix_seconds;

  if (near_midnight != (relay->stay_ms < LONGEST_STAY_MS)) return true;
  return usmp_port_millis() - relay->joined_at >= relay->stay_ms;
}

/* ---- joining ---- */

static int hex_digit(unsigned value)
{
  return value < 10 ? '0' + (int)value : 'a' + (int)value - 10;
}

/* "?s=a7": the route's hash decides the instance where several stand behind one name; the route itself is in no address. */
static int add_balance(usmp_relay_t *relay)
{
  usmp_ws_address_t *address = &relay->ws.address;
  uint8_t hash[32];

  int err = usmp_ws_port_sha256(relay->today.route, sizeof relay->today.route, hash);
  if (err != USMP_OK) return err;
  if (strcmp(address->path, "/") == 0) memcpy(address->path, DEFAULT_PATH, sizeof DEFAULT_PATH);
  size_t len = strlen(address->path);
  char *at = address->path + len;
  if (len + 6 > sizeof address->path) return USMP_ERR_INVALID_ARGUMENT;
  *at++ = strchr(address->path, '?') ? '&' : '?';
  *at++ = 's';
  *at++ = '=';
  *at++ = (char)hex_digit(hash[0] >> 4);
  *at++ = (char)hex_digit(hash[0] & 15u);
  *at = 0;
  return USMP_OK;
}

static int send_join(usmp_relay_t *relay)
{
  const usmp_relay_config_t *config = &relay->config;
  uint8_t join[JOIN_HEAD + USMP_RELAY_MAX_TOKEN] = {'U', 'R', 1, config->side};

  memcpy(join + 4, relay->today.route, sizeof relay->today.route);
  join[JOIN_HEAD - 1] = (uint8_t)config->token_len;
  if (config->token_len > 0) memcpy(join + JOIN_HEAD, config->token, config->token_len);
  int err = usmp_ws_port_send(&relay->ws, join, JOIN_HEAD + config->token_len);
  usmp_wipe(join, sizeof join);
  return err == 0 ? USMP_OK : USMP_ERR_UNREACHABLE;
}

static int join(usmp_relay_t *relay, uint64_t unix_seconds)
{
  relay->waiting = false;
  choose_stay(relay, unix_seconds);
  int err = usmp_ws_configure(&relay->ws, &relay->config.ws, USMP_RELAY_SUBPROTOCOL);
  if (err == USMP_OK) err = usmp_pair_day(usmp_port_crypto(), relay->config.pair_key, relay->day, &relay->today);
  if (err == USMP_OK) err = add_balance(relay);
  if (err == USMP_OK) err = usmp_ws_dial(&relay->ws, USMP_WS_JOINING);
  if (err == USMP_OK) err = send_join(relay);
  if (err != USMP_OK) {
    usmp_ws_hang_up(&relay->ws, USMP_WS_CLOSE_NORMAL);
    return err;
  }
  relay->waiting = true;
  relay->joined_at = usmp_port_millis();
  return USMP_OK;
}

/* ---- meeting ---- */

/* 1: the other peer is here; 0: not yet; less than zero: the WebSocket has ended. */
static int await_peer(usmp_ws_t *ws, uint32_t wait_ms)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  usmp_ws_port_lock(ws);
  while (!ws->ended && ws->link.phase != USMP_WS_FRAMES && elapsed < wait_ms) {
    usmp_ws_port_wait(ws, wait_ms - elapsed < LONGEST_WAIT_MS ? wait_ms - elapsed : LONGEST_WAIT_MS);
    usmp_port_wdt_feed();
    elapsed = usmp_port_millis() - begin;
  }
  int result = ws->link.phase == USMP_WS_FRAMES ? 1 : ws->ended ? USMP_ERR_UNREACHABLE : 0;
  usmp_ws_port_unlock(ws);
  return result;
}

/* For usmp_accept: the circuit is the one peer that comes. */
static int accept_circuit(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  usmp_relay_t *relay = (usmp_relay_t *)listener;

  (void)wait_ms;
  usmp_ws_as_transport(peer, &relay->ws);
  return 1;
}

static int find_pair(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  usmp_relay_t *relay = context;

  if (!usmp_equal(device_id, relay->today.device_id, USMP_DEVICE_ID_LEN)) return USMP_ERR_UNKNOWN_DEVICE;
  found->psk = relay->psk;
  found->psk_len = sizeof relay->psk;
  found->suite = SUITE;
  return USMP_OK;
}

static int shake_hands(usmp_relay_t *relay, usmp_t *ctx)
{
  usmp_transport_t transport;

  if (relay->config.side == 0) {
    /* No lockout: by it a stranger on the route could silence the pair, and 32 random bytes are not guessed. */
    memset(relay->listener.failures, 0, sizeof relay->listener.failures);
    return usmp_accept(&relay->listener, ctx, 0);
  }
  ctx->psk = relay->psk;
  ctx->psk_len = sizeof relay->psk;
  ctx->cipher_suite = SUITE;
  ctx->own_device_id = relay->today.device_id;
  usmp_ws_as_transport(&transport, &relay->ws);
  return usmp_connect(ctx, &transport);
}

int usmp_relay_meet(usmp_relay_t *relay, usmp_t *ctx, uint64_t unix_seconds, uint32_t wait_ms)
{
  if (!relay || !ctx || !relay->config.pair_key) return USMP_ERR_INVALID_ARGUMENT;
  bool alone = relay->waiting && await_peer(&relay->ws, 0) == 0;
  if (!relay->waiting || (alone && is_stay_over(relay, unix_seconds))) {
    int err = join(relay, unix_seconds);
    if (err != USMP_OK) return err;
  }
  int found = await_peer(&relay->ws, wait_ms);
  if (found == 0) return USMP_ERR_NOT_CONNECTED;
  relay->waiting = false;
  if (found == 1) return shake_hands(relay, ctx);
  usmp_ws_hang_up(&relay->ws, USMP_WS_CLOSE_NORMAL);
  return found;
}

/* ---- start and end ---- */

/* Without TLS anybody on the way reads the route and the token. */
static bool is_private_way(const usmp_ws_address_t *address)
{
  const char *host = address->host;
  bool ipv4_loopback = strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host);

  return address->tls || ipv4_loopback || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

int usmp_relay_start(usmp_relay_t *relay, const usmp_relay_config_t *config)
{
  const usmp_crypto_t *crypto = usmp_port_crypto();

  if (!relay || !config || !config->pair_key || config->side > 1) return USMP_ERR_INVALID_ARGUMENT;
  if (config->token_len > USMP_RELAY_MAX_TOKEN || (config->token_len > 0 && !config->token)) return USMP_ERR_INVALID_ARGUMENT;
  if (!crypto || !usmp_suite_available(SUITE)) return USMP_ERR_CRYPTO_FAILED;
  memset(&relay->listener, 0, sizeof relay->listener);
  relay->listener.accept = accept_circuit;
  relay->listener.fd = -1;
  relay->waiting = false;
  relay->turn = 0;
  int err = usmp_psk_check(config->pair_key, USMP_PAIR_KEY_SIZE, false);
  if (err == USMP_OK) err = usmp_ws_configure(&relay->ws, &config->ws, USMP_RELAY_SUBPROTOCOL);
  if (err == USMP_OK && !is_private_way(&relay->ws.address)) err = USMP_ERR_INVALID_ARGUMENT;
  if (err == USMP_OK) err = usmp_pair_psk(crypto, config->pair_key, relay->psk);
  if (err == USMP_OK) err = usmp_listen(&relay->listener, find_pair, relay);
  if (err == USMP_OK) relay->config = *config;
  return err;
}

void usmp_relay_stop(usmp_relay_t *relay)
{
  usmp_ws_release(&relay->ws);
  usmp_wipe(relay->psk, sizeof relay->psk);
  memset(&relay->today, 0, sizeof relay->today);
  relay->config.pair_key = NULL;
  relay->waiting = false;
}
