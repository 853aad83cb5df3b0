/* Two connections and the network between them, on simulated time; and one connection behind a transport, as the peer of a
   session of usmp.h. */
#ifndef USMP_TESTS_PAIR_H
#define USMP_TESTS_PAIR_H

#include "usmp_transport.h"

#define PAIR_INBOX 8192
#define PAIR_DATAGRAMS 64

typedef struct side {
  usmp_conn_t conn;
  usmp_config_t config;
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(8)];
  uint8_t inbox[PAIR_INBOX]; /* what the network holds for this side */
  size_t inbox_len;
  uint16_t lengths[PAIR_DATAGRAMS]; /* of the datagrams in the inbox */
  size_t datagrams;
  /* what the application saw */
  uint8_t got[PAIR_INBOX]; /* messages, each with its length (2 bytes) in front */
  size_t got_len;
  unsigned messages;
  unsigned pongs;
  unsigned connected;
  unsigned closed;
  int reason;
} side_t;

typedef struct pair {
  side_t client;
  side_t server;
  uint32_t now;
  /* Called for each datagram or piece on its way to `to`; returns false to lose it. May change it. */
  bool (*carry)(struct pair *pair, side_t *to, uint8_t *bytes, size_t *len);
  unsigned carried;
  uint32_t dice;
} pair_t;

void pair_open(pair_t *pair, uint8_t kind, uint8_t suite);
/* Like pair_open, and the handshake is done. */
void pair_connect(pair_t *pair, uint8_t kind, uint8_t suite);
/* Moves bytes and time until `ms` have passed or nothing is left to do. */
void pair_run(pair_t *pair, uint32_t ms);
/* Moves what can be moved without time passing. */
void pair_settle(pair_t *pair);
void pair_flush(pair_t *pair, side_t *from);
void pair_feed(pair_t *pair, side_t *to);
void pair_events(side_t *side);
/* True with probability `percent`, the same in every run. */
bool pair_dice(pair_t *pair, unsigned percent);
bool pair_lossy(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len);

/* ---- what tests send and lose ---- */

extern const uint8_t pair_kinds[3];
/* The n-th suite of this build, in turn. */
uint8_t pair_suite(unsigned n);
/* What pair_fill wrote last: bytes that depend on the seed. */
extern uint8_t pair_text[USMP_MAX_MESSAGE_LEN + 1];
void pair_fill(size_t len, unsigned seed);
void pair_send_text(pair_t *pair, side_t *from, size_t len, unsigned seed);
/* The message is the next of those that came; `at` moves behind it. */
void pair_expect_text(const side_t *to, size_t *at, size_t len, unsigned seed);
/* For `carry`. */
bool pair_nothing_to_client(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len);
bool pair_nothing_to_server(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len);
bool pair_nothing_at_all(pair_t *pair, side_t *to, uint8_t *bytes, size_t *len);
/* Seals what an honest client does not, and hands it to the server. */
void pair_client_seals(pair_t *pair, uint8_t type, size_t len);
/* What is sealed for the server's answers is thrown away, PONGs are counted. */
unsigned pair_pongs_sent(pair_t *pair);

/* ---- the peer of a session of usmp.h: an engine in the same thread, behind a transport ---- */

/* Takes any device with its PSK; `got` holds the messages of the last call only. */
extern side_t pair_peer;
/* The peer's clock; null: it stands at 0. */
extern uint32_t (*pair_peer_clock)(void);
/* Called when recv finds nothing to say: true when the peer is to be asked once more. Null: never. */
extern bool (*pair_peer_idle)(usmp_transport_t *t);

/* `psk` has 32 bytes. */
void pair_peer_start(usmp_kind_t kind, bool client, const uint8_t *psk);
/* The transport's send: the peer takes all of it. */
int pair_peer_take(usmp_transport_t *t, const uint8_t *data, size_t len);
/* The transport's recv: all that the peer has to say; of datagrams one. */
int pair_peer_say(usmp_transport_t *t, uint8_t *buf, size_t max_len);
/* The one datagram that waits, for a listener's `first`. Returns its length. */
size_t pair_peer_datagram(uint8_t *out);
void pair_peer_events(void);

/* The crypto table of the back end, which stops the test when a nonce is used twice with one key. */
extern const usmp_crypto_t *pair_crypto(void);

/* The random source: counts its calls, and fails at the call number `pair_random_fails_at` (0: never). */
extern unsigned pair_random_calls;
extern unsigned pair_random_fails_at;
int pair_random(void *context, uint8_t *out, size_t len);
int pair_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found);
extern const uint8_t pair_psk[32];

#endif
