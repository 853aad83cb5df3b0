#include "vectors.h"

#include <string.h>

#include "../src/connection_internal.h"
#include "usmp/cobs.h"
#include "usmp/cookie.h"
#include "usmp/crc16.h"

/* ---- the case at hand: "key value" lines ---- */

#define MAX_FIELDS 1536
#define MAX_BYTES 4096

static struct {
  const char *key;
  size_t key_len;
  const char *value;
  size_t value_len;
} fields[MAX_FIELDS];
static size_t field_count;
static const usmp_crypto_t *crypto;

static int find(const char *key)
{
  size_t len = strlen(key);
  for (size_t i = 0; i < field_count; i++) {
    if (fields[i].key_len == len && memcmp(fields[i].key, key, len) == 0) return (int)i;
  }
  return -1;
}

static bool has(const char *key)
{
  return find(key) >= 0;
}

static bool is(const char *key, const char *value)
{
  int i = find(key);
  return i >= 0 && fields[i].value_len == strlen(value) && memcmp(fields[i].value, value, strlen(value)) == 0;
}

static const char *text(const char *key)
{
  int i = find(key);
  return i < 0 ? "?\n" : fields[i].value;
}

static uint32_t number(const char *key)
{
  int i = find(key);
  uint32_t n = 0;
  for (size_t k = 0; i >= 0 && k < fields[i].value_len; k++) n = n * 10 + (uint32_t)(fields[i].value[k] - '0');
  return n;
}

static uint8_t nibble(char c)
{
  return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

typedef struct bytes {
  uint8_t at[MAX_BYTES];
  size_t len;
} bytes_t;

static const bytes_t *hex(const char *key, bytes_t *out)
{
  int i = find(key);
  out->len = 0;
  for (size_t k = 0; i >= 0 && k + 1 < fields[i].value_len && out->len < MAX_BYTES; k += 2) {
    out->at[out->len++] = (uint8_t)(nibble(fields[i].value[k]) << 4 | nibble(fields[i].value[k + 1]));
  }
  return out;
}

/* "steps.3.sends.0" from ("steps", 3, "sends", 0); an index under zero and a null end it. */
static const char *path(const char *list, int index, const char *name, int inner)
{
  static char key[64];
  char *at = key;
  const char *words[2] = {list, name};
  int numbers[2] = {index, inner};

  for (int w = 0; w < 2 && words[w]; w++) {
    if (w > 0) *at++ = '.';
    for (const char *c = words[w]; *c; c++) *at++ = *c;
    if (numbers[w] < 0) break;
    *at++ = '.';
    if (numbers[w] >= 100) *at++ = (char)('0' + numbers[w] / 100);
    if (numbers[w] >= 10) *at++ = (char)('0' + numbers[w] / 10 % 10);
    *at++ = (char)('0' + numbers[w] % 10);
  }
  *at = 0;
  return key;
}

static bool same(const char *key, const uint8_t *bytes, size_t len)
{
  static bytes_t expected;
  return has(key) && hex(key, &expected)->len == len && memcmp(expected.at, bytes, len) == 0;
}

static bool error_is(const char *key, int error)
{
  return error < 0 && is(key, usmp_err_name(error));
}

/* The outcome is the case's error, or the case is valid and there is none. */
static bool outcome(int result)
{
  return is("result", "valid") ? result >= 0 : error_is("error", result);
}

static bytes_t a, b, c, d;

/* ---- codecs ---- */

static bool run_crc16(void)
{
  uint8_t wire[2];
  hex("input", &a);
  uint16_t crc = usmp_crc16_update(USMP_CRC16_INIT, a.at, a.len);
  usmp_store16(wire, crc);
  return crc == number("crc") && same("wire", wire, 2);
}

static bool decodes(const bytes_t *in)
{
  usmp_frame_t frame;
  int err = usmp_frame_decode(USMP_WIRE_VERSION, in->at, in->len, &frame);
  if (err < 0 || !is("result", "valid")) return outcome(err);
  return frame.type == number("type") && frame.seq == number("seq") && same("payload", frame.payload, frame.length);
}

static bool run_frame(void)
{
  if (is("op", "decode")) return decodes(hex("frame", &a));
  hex("payload", &a);
  memcpy(b.at + USMP_HEADER_SIZE, a.at, a.len);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, b.at, (uint8_t)number("type"), number("seq"), a.len);
  if (len < 0) return outcome(len);
  b.len = (size_t)len;
  return same("frame", b.at, b.len) && (is("op", "encode") || decodes(&b));
}

/* Every chunk as it stands, or one byte at a time: the same frames and the same error. */
static bool deframes(bool bytewise)
{
  static uint8_t buffer[USMP_MAX_FRAME_SIZE];
  usmp_deframer_t deframer;
  int frames = 0;
  int found = 0;

  usmp_deframer_init(&deframer, buffer, USMP_WIRE_VERSION);
  for (int i = 0; i < (int)number("chunks.#"); i++) {
    hex(path("chunks", i, NULL, -1), &a);
    size_t at = 0;
    for (;;) {
      usmp_frame_t frame;
      size_t used;
      size_t len = bytewise && at < a.len ? 1 : a.len - at;
      found = usmp_deframer_stream(&deframer, a.at + at, len, &used, &frame);
      at += used;
      if (found < 0 || (found == 0 && at == a.len)) break;
      if (found == 0) continue;
      if (frame.type != number(path("frames", frames, "type", -1))) return false;
      if (frame.seq != number(path("frames", frames, "seq", -1))) return false;
      if (!same(path("frames", frames, "payload", -1), frame.payload, frame.length)) return false;
      frames++;
    }
  }
  return outcome(found) && frames == (int)number("frames.#");
}

static bool run_stream(void)
{
  return deframes(false) && deframes(true);
}

static bool cobs_codec(void)
{
  hex("data", &a);
  b.len = usmp_cobs_encode(a.at, a.len, b.at);
  if (!same("encoded", b.at, b.len)) return false;
  memcpy(c.at + a.len / 254 + 1, a.at, a.len); /* the same in place */
  c.len = usmp_cobs_encode(c.at + a.len / 254 + 1, a.len, c.at);
  if (!same("encoded", c.at, c.len)) return false;
  int len = usmp_cobs_decode(b.at, b.len);
  return len >= 0 && same("data", b.at, (size_t)len);
}

static bool cobs_decode(void)
{
  hex("encoded", &a);
  int len = usmp_cobs_decode(a.at, a.len);
  return outcome(len) && (len < 0 || same("data", a.at, (size_t)len));
}

/* A packet, or the bytes of a serial line with many: `stride` bytes at a time. */
static bool cobs_line(const bytes_t *line, size_t stride, int *frames, int *dropped, int *last)
{
  static uint8_t buffer[USMP_MAX_COBS_SIZE];
  usmp_deframer_t deframer;
  bool good = true;

  *frames = *dropped = *last = 0;
  usmp_deframer_init(&deframer, buffer, USMP_WIRE_VERSION);
  for (size_t at = 0; at < line->len;) {
    usmp_frame_t frame;
    size_t used;
    size_t len = line->len - at < stride ? line->len - at : stride;
    int found = usmp_deframer_packets(&deframer, line->at + at, len, &used, &frame);
    at += used;
    if (found < 0) {
      *last = found;
      ++*dropped;
    }
    if (found > 0) {
      const char *key = has("frame") ? "frame" : path("frames", *frames, NULL, -1);
      good = good && same(key, frame.header, USMP_HEADER_SIZE + (size_t)frame.length);
      ++*frames;
    }
  }
  return good;
}

static bool run_cobs(void)
{
  int frames;
  int dropped;
  int last;

  if (is("op", "codec")) return cobs_codec();
  if (is("op", "decode")) return cobs_decode();
  if (is("op", "packet")) {
    hex("packet", &a);
    a.at[a.len++] = 0;
    return cobs_line(&a, MAX_BYTES, &frames, &dropped, &last) && outcome(last) && frames + dropped == 1;
  }
  hex("line", &a);
  for (size_t stride = MAX_BYTES; stride > 0; stride /= 64) {
    if (!cobs_line(&a, stride, &frames, &dropped, &last)) return false;
    if (frames != (int)number("frames.#") || dropped != (int)number("dropped")) return false;
  }
  return true;
}

static bool run_utack(void)
{
  const uint8_t *key = hex("key", &b)->len ? b.at : NULL;

  if (is("op", "encode")) {
    int len = usmp_utack_build(crypto, key, (uint8_t)number("type"), number("seq"), a.at);
    return len > 0 && same("utack", a.at, (size_t)len);
  }
  hex("utack", &a);
  if (!usmp_utack_is(a.at, a.len)) return is("error", "DROPPED");
  uint8_t type = a.at[2];
  uint32_t seq = usmp_load32(a.at + 3);
  bool good = usmp_utack_proves(crypto, key, type, seq, a.at, a.len);
  if (is("result", "invalid")) return !good && is("error", "DROPPED");
  return good && type == number("type") && seq == number("seq");
}

/* ---- keys ---- */

/* ---- primitives, as far as the table of the back end goes: it is made for USMP alone ---- */

#define HKDF_OUTPUT 64

#ifndef USMP_TEST_ITERATIONS /* an emulator takes minutes for a thousand multiplications */
#define USMP_TEST_ITERATIONS 1000
#endif

static bool left_out_here(void)
{
  if (!is("topic", "primitives")) return false;
  if (has("iterations")) return number("iterations") > USMP_TEST_ITERATIONS;
  if (has("aad")) return hex("aad", &a)->len != USMP_AAD_SIZE;
  return is("op", "hkdf") && (number("length") > HKDF_OUTPUT || hex("info", &a)->len > USMP_HKDF_INFO_MAX);
}

static bool run_x25519(void)
{
  uint8_t result[USMP_KEY_SIZE];
  uint32_t iterations = has("iterations") ? number("iterations") : 1;

  hex("private", &a);
  hex("peer_public", &b);
  for (uint32_t i = 0; i < iterations; i++) {
    if (crypto->x25519(a.at, b.at, result) != 0) return false;
    memcpy(b.at, a.at, sizeof result);
    memcpy(a.at, result, sizeof result);
  }
  if (usmp_is_zero(result, sizeof result)) return is("error", "LOW_ORDER_POINT");
  return same("shared", result, sizeof result);
}

static bool run_hmac(void)
{
  uint8_t mac[USMP_MAC_SIZE];

  hex("key", &a);
  hex("message", &b);
  return crypto->hmac_sha256(a.at, a.len, b.at, b.len, mac) == 0 && same("mac", mac, sizeof mac);
}

static bool run_hkdf(void)
{
  uint8_t out[HKDF_OUTPUT];

  hex("ikm", &a);
  hex("salt", &b);
  hex("info", &c);
  return usmp_hkdf64(crypto, b.at, b.len, a.at, a.len, c.at, c.len, out) == 0 && same("okm", out, number("length"));
}

static bool run_aead(void)
{
  uint8_t suite = (uint8_t)number("suite");
  static bytes_t key, nonce, aad;

  hex("key", &key);
  hex("nonce", &nonce);
  hex("aad", &aad);
  hex("sealed", &a);
  size_t len = a.len - USMP_TAG_SIZE;
  int err = crypto->open(suite, key.at, nonce.at, aad.at, a.at, len, b.at);
  if (is("op", "aead_open")) { /* and nothing of the plaintext is left */
    return outcome(err) && (len == 0 || usmp_is_zero(b.at, len));
  }
  if (err != 0 || !same("plaintext", b.at, len)) return false;
  return crypto->seal(suite, key.at, nonce.at, aad.at, b.at, len) == 0 && same("sealed", b.at, a.len);
}

static bool run_primitives(void)
{
  if (is("op", "hmac")) return run_hmac();
  if (is("op", "hkdf")) return run_hkdf();
  return has("suite") ? run_aead() : run_x25519();
}

static bool run_key_schedule(void)
{
  uint8_t shared[USMP_KEY_SIZE];
  uint8_t public_key[USMP_KEY_SIZE];
  usmp_transcript_t transcript;
  usmp_traffic_keys_t keys;

  if (is("op", "agree")) {
    hex("private", &a);
    hex("peer_public", &b);
    if (crypto->x25519(a.at, b.at, shared) != 0) return false;
    if (usmp_is_zero(shared, sizeof shared)) return is("error", "LOW_ORDER_POINT");
    if (!same("shared", shared, sizeof shared)) return false;
    return !has("public") || (crypto->x25519(a.at, NULL, public_key) == 0 && same("public", public_key, sizeof public_key));
  }
  hex("client_private", &a);
  hex("server_private", &b);
  memcpy(transcript.nonce, hex("nonce", &c)->at, sizeof transcript.nonce);
  if (crypto->x25519(a.at, NULL, transcript.client_public) != 0) return false;
  if (crypto->x25519(b.at, NULL, transcript.server_public) != 0) return false;
  for (int role = 0; role < 2; role++) {
    int err = usmp_derive_keys(crypto, role ? b.at : a.at, role ? transcript.client_public : transcript.server_public,
                               &transcript, &keys);
    if (err < 0 || !same("k_c2s", keys.c2s, USMP_KEY_SIZE) || !same("k_s2c", keys.s2c, USMP_KEY_SIZE)) return false;
  }
  return true;
}

static bool run_device_psk(void)
{
  uint8_t psk[USMP_KEY_SIZE];

  hex("master", &a);
  if (hex("device_id", &b)->len != USMP_DEVICE_ID_LEN) {
    return outcome(usmp_derive_device_psk(crypto, a.at, a.len, NULL, psk)); /* the type leaves no other length */
  }
  int err = usmp_derive_device_psk(crypto, a.at, a.len, b.at, psk);
  return outcome(err) && (err < 0 || same("psk", psk, sizeof psk));
}

static bool run_fingerprint(void)
{
  char shown[USMP_FINGERPRINT_SIZE];

  hex("psk", &a);
  bool whole_id = hex("device_id", &b)->len == USMP_DEVICE_ID_LEN; /* the type leaves no other length */
  int err = usmp_psk_fingerprint(crypto, a.at, a.len, whole_id ? b.at : NULL, shown);
  return outcome(err) && (err < 0 || is("fingerprint", shown));
}

/* ---- sealing ---- */

static bool suite_missing(void)
{
  return has("suite") && !usmp_suite_available((uint8_t)number("suite"));
}

static void record_layer_from(usmp_record_layer_t *s, const char *tx, const char *rx, bool datagram)
{
  usmp_traffic_keys_t keys;
  memcpy(keys.c2s, hex(tx, &c)->at, USMP_KEY_SIZE);
  memcpy(keys.s2c, hex(rx, &c)->at, USMP_KEY_SIZE);
  usmp_record_layer_init(s, &keys, hex("session_id", &c)->at, has("suite") ? (uint8_t)number("suite") : USMP_CIPHER_DEFAULT,
                         true, datagram);
}

static bool run_sealed(void)
{
  usmp_record_layer_t s;
  usmp_frame_t frame;
  int epoch;

  record_layer_from(&s, "key", "key", false);
  if (is("op", "seal")) {
    s.tx_next = number("seq");
    hex("plaintext", &a);
    memcpy(b.at + USMP_PLAINTEXT_OFFSET, a.at, a.len);
    int len = usmp_record_layer_seal(&s, crypto, (uint8_t)number("type"), b.at, a.len);
    return len > 0 && same("frame", b.at, (size_t)len);
  }
  s.epochs[0].window.next = number("expected_seq");
  s.any_authenticated = !number("first");
  hex("frame", &a);
  int err = usmp_frame_decode(USMP_WIRE_VERSION, a.at, a.len, &frame);
  if (err == USMP_OK) err = usmp_record_layer_open(&s, crypto, &frame, b.at, &epoch);
  return outcome(err) && (err < 0 || same("plaintext", b.at, (size_t)err));
}

/* ---- the replay window, with frames sealed for it ---- */

static bool window_step(usmp_record_layer_t *receiver, usmp_record_layer_t *sender, int i)
{
  usmp_frame_t frame;
  int epoch;

  sender->tx_next = number(path("steps", i, "seq", -1));
  if (sender->tx_next == USMP_SEQ_END) { /* seal by hand what no sender seals */
    memset(b.at, 0xFF, 12);
    usmp_store32(b.at + 12, USMP_SEQ_END);
    memcpy(b.at + 16, sender->id, 8);
    usmp_frame_header(USMP_WIRE_VERSION, b.at, USMP_TYPE_DATA, USMP_SEQ_END, USMP_SEAL_OVERHEAD);
    if (crypto->seal(sender->suite, sender->tx_key, b.at + 12, b.at, b.at + 24, 0) != 0) return false;
    b.len = (size_t)usmp_frame_encode(USMP_WIRE_VERSION, b.at, USMP_TYPE_DATA, USMP_SEQ_END, USMP_SEAL_OVERHEAD);
  } else {
    b.len = (size_t)usmp_record_layer_seal(sender, crypto, USMP_TYPE_DATA, b.at, 0);
  }
  if (!number(path("steps", i, "authentic", -1))) b.at[b.len - 1] ^= 1;
  b.len = (size_t)usmp_frame_encode(USMP_WIRE_VERSION, b.at, USMP_TYPE_DATA, usmp_load32(b.at + 4), USMP_SEAL_OVERHEAD);
  if (usmp_frame_decode(USMP_WIRE_VERSION, b.at, b.len, &frame) != 0) return false;
  int err = usmp_record_layer_open(receiver, crypto, &frame, a.at, &epoch);
  const char *expect = path("steps", i, "expect", -1);
  if (err >= 0) return is(expect, "ACCEPT");
  if (err == USMP_ERR_DECRYPT_FAILED && is(expect, "DROPPED")) return true;
  return error_is(expect, err);
}

static bool run_replay(void)
{
  usmp_record_layer_t receiver;
  usmp_record_layer_t sender;
  usmp_traffic_keys_t keys;

  memset(&keys, 7, sizeof keys);
  memset(c.at, 9, USMP_SESSION_ID_LEN);
  bool datagram = is("transport", "datagram");
  usmp_record_layer_init(&sender, &keys, c.at, USMP_CIPHER_DEFAULT, true, datagram);
  usmp_record_layer_init(&receiver, &keys, c.at, USMP_CIPHER_DEFAULT, false, datagram);
  receiver.any_authenticated = true;
  receiver.epochs[0].window.next = number("start");
  for (int i = 0; i < (int)number("steps.#"); i++) {
    if (!window_step(&receiver, &sender, i)) return false;
  }
  return true;
}

/* ---- whole connections ---- */

typedef struct endpoint {
  usmp_conn_t conn;
  usmp_config_t config;
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(8)];
} endpoint_t;

static endpoint_t endpoints[2];
static uint8_t random_bytes[256]; /* what the random source will say, in the order in which it is asked */
static size_t random_at;
static bytes_t psk;

static int scripted_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  if (random_at + len > sizeof random_bytes) return -1;
  memcpy(out, random_bytes + random_at, len);
  random_at += len;
  return 0;
}

static int scripted_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context;
  if (!same("device_id", device_id, USMP_DEVICE_ID_LEN)) return USMP_ERR_UNKNOWN_DEVICE;
  found->psk = psk.at;
  found->psk_len = psk.len;
  return 0;
}

static int open_endpoint(endpoint_t *e, bool client)
{
  usmp_buffers_t buffers = {e->frame, e->message, e->tx, sizeof e->frame, sizeof e->message, sizeof e->tx};

  memset(e, 0, sizeof *e);
  hex("psk", &psk);
  if (psk.len == 0) psk.len = USMP_MIN_PSK_SIZE;
  e->config = (usmp_config_t){.crypto = crypto,
                              .random = scripted_random,
                              .find_psk = scripted_psk,
                              .psk = psk.at,
                              .psk_len = psk.len,
                              .suite = has("suite") ? (uint8_t)number("suite") : USMP_CIPHER_DEFAULT,
                              .kind = is("transport", "datagram") ? USMP_KIND_DATAGRAM : USMP_KIND_STREAM};
  memcpy(e->config.device_id, hex("device_id", &c)->at, USMP_DEVICE_ID_LEN);
  return client ? usmp_conn_init_client(&e->conn, &e->config, &buffers, 0)
                : usmp_conn_init_server(&e->conn, &e->config, &buffers, 0);
}

/* Everything that leaves, without acknowledgements, must be what the list names. */
static bool sends_are(usmp_conn_t *conn, const char *list, int index, const char *name, uint32_t now)
{
  int count = 0;
  const uint8_t *bytes;
  size_t len;

  while ((len = usmp_conn_poll_transmit(conn, &bytes)) > 0) {
    bool utack = usmp_utack_is(bytes, len);
    if (!utack && conn->config->kind == USMP_KIND_STREAM) len = USMP_HEADER_SIZE + (size_t)usmp_load16(bytes + 8);
    const char *key = name ? path(list, index, name, count) : path(list, count, NULL, -1);
    if (!utack && !same(key, bytes, len)) return false;
    if (!utack) count++;
    usmp_conn_transmitted(conn, len, now);
  }
  static char count_key[64];
  const char *key = name ? path(list, index, name, -1) : list;
  strcpy(count_key, key);
  strcat(count_key, ".#");
  return count == (int)number(count_key);
}

/* A issuer whose cookie is the one of the vectors: what stands in it is the server's own matter. */
static int jar_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  (void)key, (void)key_len, (void)data, (void)len;
  memset(mac, 0, USMP_MAC_SIZE);
  memcpy(mac, hex("cookie", &d)->at, USMP_COOKIE_SIZE);
  return 0;
}

/* One datagram or piece of a stream. A server on datagrams keeps the gate in front of the connection. */
static int feed(endpoint_t *e, bool gate, const bytes_t *in, usmp_hello_retry_t *answer)
{
  usmp_crypto_t stub = *crypto;
  stub.hmac_sha256 = jar_hmac;
  usmp_cookie_issuer_t issuer = {&stub, {0}};

  if (gate) {
    int err = usmp_verify_hello_cookie(&issuer, (const uint8_t *)"address", 7, 100, in->at, in->len, answer);
    if (err <= 0) return err;
  }
  e->conn.last_drop = 0;
  int err = usmp_conn_receive(&e->conn, in->at, in->len, 0);
  if (err < 0) return err;
  bool framed = e->config.kind != USMP_KIND_DATAGRAM;
  if (framed && err == (int)in->len && e->conn.deframer.used > 0 && !e->conn.deframer.delivered) return USMP_ERR_INCOMPLETE;
  if (err < (int)in->len && usmp_conn_established(&e->conn)) return USMP_ERR_TRAILING_BYTES;
  return e->conn.last_drop;
}

static bool step_result(endpoint_t *e, bool gate, int err, const usmp_hello_retry_t *answer, const char *reply,
                        const char *established)
{
  if (gate && err == 0 && e->conn.state == USMP_CONN_AWAIT_HELLO) {
    return same(path(reply, 0, NULL, -1), answer->retry, sizeof answer->retry) && number(established) == 0;
  }
  bool expected = number(established) == 1;
  return (err >= 0 || !expected) && sends_are(&e->conn, reply, -1, NULL, 0) && usmp_conn_established(&e->conn) == expected;
}

static void prepare_random(bool client)
{
  random_at = 0;
  if (client) {
    memcpy(random_bytes, hex("client_private", &c)->at, 32);
    return;
  }
  memset(random_bytes, 0xEE, 32); /* the PSK of devices that have none */
  memcpy(random_bytes + 32, hex("server_private", &c)->at, 32);
  memcpy(random_bytes + 64, hex("nonce", &c)->at, 32);
  memcpy(random_bytes + 96, hex("session_id", &c)->at, 16);
}

static void discard_sends(usmp_conn_t *conn)
{
  const uint8_t *bytes;
  size_t len;
  while ((len = usmp_conn_poll_transmit(conn, &bytes)) > 0) usmp_conn_transmitted(conn, len, 0);
}

static bool handshake_step(void)
{
  endpoint_t *e = &endpoints[0];
  usmp_hello_retry_t answer;
  bool client = is("role", "client");
  bool datagram = is("transport", "datagram");

  prepare_random(client);
  if (open_endpoint(e, client) < 0) return false;
  discard_sends(&e->conn);
  for (int i = 0; i < (int)number("prefix.#"); i++) {
    bool gate = datagram && !client && e->conn.state == USMP_CONN_AWAIT_HELLO;
    int err = feed(e, gate, hex(path("prefix", i, NULL, -1), &a), &answer);
    if (err < 0 && (!datagram || usmp_conn_error(&e->conn))) return false; /* a datagram may be dropped */
    discard_sends(&e->conn);
  }
  bool gate = datagram && !client && e->conn.state == USMP_CONN_AWAIT_HELLO;
  int err = feed(e, gate, hex("frame", &a), &answer);
  if (is("result", "valid")) return step_result(e, gate, err, &answer, "reply", "established");
  if (err == USMP_ERR_UNKNOWN_DEVICE) err = USMP_ERR_AUTH_FAILED; /* the same from outside */
  if (!error_is("error", err)) return false;
  if (sends_are(&e->conn, "reply", -1, NULL, 0) == false) return false; /* silence */
  if (!datagram) return err == USMP_ERR_INCOMPLETE || usmp_conn_receive(&e->conn, a.at, 1, 0) == err;
  if (!has("next")) return true;
  gate = !client && e->conn.state == USMP_CONN_AWAIT_HELLO;
  err = feed(e, gate, hex("next", &a), &answer);
  return step_result(e, gate, err, &answer, "next_reply", "next_established");
}

/* Both roles play the whole handshake; every frame and both keys are given. */
static bool handshake_transcript(void)
{
  static const char *const names[] = {"hello", "hello_retry", "hello_cookie", "challenge", "hello_ack", "session_ok"};
  endpoint_t *client = &endpoints[0];
  endpoint_t *server = &endpoints[1];
  usmp_hello_retry_t answer;
  bool datagram = is("transport", "datagram");
  const uint8_t *bytes;

  prepare_random(true);
  if (open_endpoint(client, true) < 0) return false;
  prepare_random(false);
  if (open_endpoint(server, false) < 0) return false;
  for (int i = 0; i < 6; i++) {
    if (!has(names[i])) continue;
    bool from_client = i == 0 || i == 2 || i == 4;
    endpoint_t *from = from_client ? client : server;
    endpoint_t *to = from_client ? server : client;
    if (i == 1) {
      bytes = answer.retry;
      a.len = sizeof answer.retry;
    } else {
      while ((a.len = usmp_conn_poll_transmit(&from->conn, &bytes)) > 0 && usmp_utack_is(bytes, a.len)) {
        usmp_conn_transmitted(&from->conn, a.len, 0);
      }
    }
    if (!same(names[i], bytes, a.len)) return false;
    memcpy(a.at, bytes, a.len);
    if (i != 1) usmp_conn_transmitted(&from->conn, a.len, 0);
    if (feed(to, datagram && from_client && i < 4, &a, &answer) < 0) return false;
  }
  const usmp_record_layer_t *s = &client->conn.u.record_layer;
  const usmp_record_layer_t *t = &server->conn.u.record_layer;
  return usmp_conn_established(&client->conn) && usmp_conn_established(&server->conn) && same("k_c2s", s->tx_key, 32) &&
         same("k_s2c", s->epochs[0].key, 32) && same("k_s2c", t->tx_key, 32) && same("k_c2s", t->epochs[0].key, 32) &&
         same("session_id", s->id, 16) && same("session_id", t->id, 16);
}

static bool run_handshake(void)
{
  return is("op", "transcript") ? handshake_transcript() : handshake_step();
}

/* ---- scripts of an established session ---- */

static void establish(endpoint_t *e, bool client)
{
  usmp_traffic_keys_t keys;

  memset(random_bytes, 0x55, sizeof random_bytes);
  random_at = 0;
  open_endpoint(e, client);
  discard_sends(&e->conn);
  memcpy(keys.c2s, hex("k_c2s", &c)->at, 32);
  memcpy(keys.s2c, hex("k_s2c", &c)->at, 32);
  usmp_conn_establish(&e->conn, &keys, hex("session_id", &c)->at, e->config.suite, client);
  e->conn.events = 0;
  e->conn.u.record_layer.tx_next = number(client ? "c2s_seq" : "s2c_seq");
  e->conn.u.record_layer.epochs[0].window.next = number(client ? "s2c_seq" : "c2s_seq");
  e->conn.u.record_layer.any_authenticated = e->conn.u.record_layer.epochs[0].window.next > 0;
}

static bool script_receive(endpoint_t *e, int i, uint32_t now)
{
  int messages = 0;
  size_t at = 0;
  int end = 0;

  hex(path("steps", i, "input", -1), &a);
  while (at < a.len && end == 0) {
    usmp_event_t event;
    int used = usmp_conn_receive(&e->conn, a.at + at, a.len - at, now);
    if (used < 0) end = used;
    else at += (size_t)used;
    while (usmp_conn_poll_event(&e->conn, &event)) {
      if (event.kind != USMP_EVENT_MESSAGE) continue;
      if (!same(path("steps", i, "messages", messages++), event.data, event.len)) return false;
    }
  }
  static char key[64];
  strcpy(key, path("steps", i, "messages", -1));
  strcat(key, ".#");
  return messages == (int)number(key);
}

static bool script_command(endpoint_t *e, int i, uint32_t now)
{
  int err = 0;

  hex(path("steps", i, "input", -1), &a);
  const char *what = path("steps", i, "do", -1);
  if (is(what, "send")) err = usmp_conn_send(&e->conn, a.at, a.len, now);
  if (is(what, "ping")) err = usmp_conn_ping(&e->conn, now);
  if (is(what, "close")) usmp_conn_close(&e->conn, USMP_ERR_CLOSED, now);
  if (is(what, "rekey")) {
    memcpy(random_bytes, a.at, a.len);
    random_at = 0;
    err = usmp_conn_rekey(&e->conn, now);
  }
  const char *refused = path("steps", i, "refused", -1);
  return err < 0 ? error_is(refused, err) : is(refused, "");
}

static bool run_script(void)
{
  for (int side = 0; side < 2; side++) establish(&endpoints[side], side == 0);
  for (int i = 0; i < (int)number("steps.#"); i++) {
    endpoint_t *e = &endpoints[is(path("steps", i, "side", -1), "client") ? 0 : 1];
    uint32_t now = number(path("steps", i, "at", -1));
    bool receive = is(path("steps", i, "do", -1), "receive");
    if (!(receive ? script_receive(e, i, now) : script_command(e, i, now))) return false;
    if (!sends_are(&e->conn, "steps", i, "sends", now)) return false;
    int end = usmp_conn_error(&e->conn);
    const char *expected = path("steps", i, "end", -1);
    if (!(end < 0 ? error_is(expected, end) : is(expected, ""))) return false;
  }
  return true;
}

static bool rekey_derive(void)
{
  uint8_t tx[USMP_KEY_SIZE];
  uint8_t rx[USMP_KEY_SIZE];
  bool client = is("initiator", "client");

  hex(client ? "k_c2s" : "k_s2c", &a);
  hex(client ? "k_s2c" : "k_c2s", &b);
  hex("salt", &c);
  hex("session_id", &d);
  return usmp_derive_rekey(crypto, a.at, b.at, c.at, d.at, tx, rx) == 0 &&
         same(client ? "new_k_c2s" : "new_k_s2c", tx, sizeof tx) && same(client ? "new_k_s2c" : "new_k_c2s", rx, sizeof rx);
}

static bool run_rekey(void)
{
  return is("op", "derive") ? rekey_derive() : run_script();
}

/* ---- fragments, sealed for it ---- */

static void quiet_session(endpoint_t *e, bool client)
{
  usmp_traffic_keys_t keys;

  random_at = 0;
  open_endpoint(e, client);
  discard_sends(&e->conn);
  memset(&keys, 3, sizeof keys);
  memset(c.at, 4, USMP_SESSION_ID_LEN);
  usmp_conn_establish(&e->conn, &keys, c.at, e->config.suite, client);
  e->conn.events = 0;
}

static bool fragment_split(void)
{
  endpoint_t *sender = &endpoints[0];
  endpoint_t *receiver = &endpoints[1];
  const uint8_t *bytes;
  int count = 0;

  quiet_session(sender, true);
  quiet_session(receiver, false);
  sender->conn.u.record_layer.tx_next = receiver->conn.u.record_layer.epochs[0].window.next = number("first_seq");
  hex("message", &a);
  int err = usmp_conn_send(&sender->conn, a.at, a.len, 0);
  if (err < 0) return outcome(err) && usmp_conn_drained(&sender->conn);
  while (usmp_conn_poll_transmit(&sender->conn, &bytes) > 0) {
    usmp_frame_t frame;
    int epoch;
    size_t len = USMP_HEADER_SIZE + (size_t)usmp_load16(bytes + 8);
    if (usmp_frame_decode(USMP_WIRE_VERSION, bytes, len, &frame) != 0) return false;
    int text_len = usmp_record_layer_open(&receiver->conn.u.record_layer, crypto, &frame, b.at, &epoch);
    if (text_len < 0 || frame.type != number(path("frames", count, "type", -1)) ||
        frame.seq != number(path("frames", count, "seq", -1)) ||
        !same(path("frames", count, "plaintext", -1), b.at, (size_t)text_len)) {
      return false;
    }
    usmp_conn_transmitted(&sender->conn, len, 0);
    count++;
  }
  return count == (int)number("frames.#");
}

static bool fragment_reassemble(void)
{
  endpoint_t *sender = &endpoints[0];
  endpoint_t *receiver = &endpoints[1];
  int messages = 0;
  int end = 0;

  quiet_session(sender, true);
  quiet_session(receiver, false);
  receiver->conn.u.record_layer.epochs[0].window.next = number("frames.0.seq");
  for (int i = 0; i < (int)number("frames.#") && end == 0; i++) {
    usmp_event_t event;
    hex(path("frames", i, "plaintext", -1), &a);
    memcpy(b.at + USMP_PLAINTEXT_OFFSET, a.at, a.len);
    sender->conn.u.record_layer.tx_next = number(path("frames", i, "seq", -1));
    uint8_t type = (uint8_t)number(path("frames", i, "type", -1));
    int len = usmp_record_layer_seal(&sender->conn.u.record_layer, crypto, type, b.at, a.len);
    if (len < 0) return false;
    if (receiver->config.kind == USMP_KIND_STREAM) { /* a gap here is one of the pieces, not of the stream */
      receiver->conn.u.record_layer.epochs[0].window.next = usmp_load32(b.at + 4);
    }
    int used = usmp_conn_receive(&receiver->conn, b.at, (size_t)len, 0);
    if (used < 0) end = used;
    discard_sends(&receiver->conn);
    while (usmp_conn_poll_event(&receiver->conn, &event)) {
      if (event.kind != USMP_EVENT_MESSAGE) continue;
      if (!same(path("messages", messages++, NULL, -1), event.data, event.len)) return false;
    }
  }
  return outcome(end) && messages == (int)number("messages.#");
}

static bool run_fragment(void)
{
  return is("op", "split") ? fragment_split() : fragment_reassemble();
}

/* ---- all of them ---- */

static const struct {
  const char *topic;
  bool (*run)(void);
} runners[] = {{"cobs", run_cobs},
               {"crc16", run_crc16},
               {"device-psk", run_device_psk},
               {"fingerprint", run_fingerprint},
               {"fragment", run_fragment},
               {"frame", run_frame},
               {"handshake", run_handshake},
               {"key-schedule", run_key_schedule},
               {"primitives", run_primitives},
               {"rekey", run_rekey},
               {"replay", run_replay},
               {"sealed", run_sealed},
               {"session", run_script},
               {"stream", run_stream},
               {"utack", run_utack}};

static bool run_case(void)
{
  for (size_t i = 0; i < sizeof runners / sizeof runners[0]; i++) {
    if (is("topic", runners[i].topic)) return runners[i].run();
  }
  return false; /* a topic this runner does not know must not pass in silence */
}

static const char *next_case(const char *at)
{
  field_count = 0;
  while (*at && *at != '\n') {
    const char *end = strchr(at, '\n');
    const char *space = memchr(at, ' ', (size_t)(end - at));
    if (field_count < MAX_FIELDS) {
      fields[field_count].key = at;
      fields[field_count].key_len = (size_t)(space - at);
      fields[field_count].value = space + 1;
      fields[field_count++].value_len = (size_t)(end - space - 1);
    }
    at = end + 1;
  }
  return *at ? at + 1 : at;
}

usmp_vector_count_t usmp_run_vectors(const usmp_crypto_t *table, usmp_vector_failed_fn failed)
{
  usmp_vector_count_t count = {0, 0, 0};

  crypto = table;
  for (const char *at = usmp_vectors; *at;) {
    at = next_case(at);
    if (is("version", "1") || suite_missing() || left_out_here()) {
      count.left_out++;
    } else if (field_count < MAX_FIELDS && run_case()) {
      count.passed++;
    } else {
      count.failed++;
      failed(text("topic"), text("id"), text("comment"));
    }
  }
  return count;
}
