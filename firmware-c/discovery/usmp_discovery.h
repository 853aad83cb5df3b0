/* Finding each other on a local network: section 14 of the specification, the UDP query.

   A searcher sends a query of 128 bytes to everybody and to hosts that it was told. A responder answers with what it offers, in fewer
   bytes than the query had. Both are plain structs of a fixed size: no heap, no operating system, time as an argument. A port brings
   the socket (discovery_port.h: sockets/ for POSIX and ESP-IDF, lwip/ for a board without operating system).

   A device that wants to be found:                       A device that looks for gateways:
     usmp_discovery_init_responder(&responder, &offer);     usmp_discovery_init_searcher(&searcher, &wish, now);
     usmp_discovery_open(&socket, USMP_DISCOVERY_PORT);     usmp_discovery_open(&socket, 0);
     for (;;) usmp_discovery_serve(&socket, &responder, 100);   while (searcher.count == 0) usmp_discovery_search(&socket, &searcher, 100);

   Nothing here is proven. Everybody on the network reads every query and may answer what it likes; an answer is a hint where to try.
   Who the peer is, the handshake says. What never happens: an answer that is longer than its query; an answer to bytes that are not a query;
   memory that grows with what strangers send. */
#ifndef USMP_DISCOVERY_H
#define USMP_DISCOVERY_H

#include "usmp/config.h"
#include "usmp/errors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_DISCOVERY_PORT 9001
/* The multicast group, site-local: 239.255.85.77 ('U', 'M'). */
#define USMP_DISCOVERY_GROUP 239, 255, 85, 77

#define USMP_DISCOVERY_QUERY_SIZE 128
#define USMP_DISCOVERY_ANSWER_MAX 107 /* five carriers, a site and a path of 32 bytes each, a device id */
#define USMP_DISCOVERY_NONCE_SIZE 8
#define USMP_DISCOVERY_INSTANCE_SIZE 2
#define USMP_DISCOVERY_MAX_CARRIERS 5
#define USMP_DISCOVERY_MAX_SITE 32
#define USMP_DISCOVERY_MAX_PATH 32

/* What one is; what one looks for is a sum of these. */
#define USMP_DISCOVERY_GATEWAY 1u
#define USMP_DISCOVERY_DEVICE 2u

/* How sessions are carried. */
typedef enum usmp_carrier {
  USMP_CARRIER_TCP = 1,
  USMP_CARRIER_UDP = 2,
  USMP_CARRIER_WS = 3,
  USMP_CARRIER_MQTT = 4,
  USMP_CARRIER_WSS = 5
} usmp_carrier_t;

typedef struct usmp_discovery_carrier {
  uint8_t kind; /* usmp_carrier_t */
  uint16_t port;
} usmp_discovery_carrier_t;

/* What somebody offers (14.1). Texts end with a zero. */
typedef struct usmp_discovery_offer {
  uint8_t role;   /* USMP_DISCOVERY_GATEWAY or USMP_DISCOVERY_DEVICE */
  bool join_open; /* a gateway's join window is open; never of a device */
  /* Names one start of one peer; no identity, and it may occur twice: usmp_discovery_make_instance. */
  uint8_t instance[USMP_DISCOVERY_INSTANCE_SIZE];
  uint8_t carrier_count;
  usmp_discovery_carrier_t carriers[USMP_DISCOVERY_MAX_CARRIERS]; /* in the order of their kinds, each at most once */
  char site[USMP_DISCOVERY_MAX_SITE + 1]; /* of a gateway: letters, digits, '-', '_'; empty for a device */
  char path[USMP_DISCOVERY_MAX_PATH + 1]; /* of the WebSocket: "/usmp"; empty: "/" */
  bool has_device_id;                     /* of a device, and only on request: it is the same at every start */
  uint8_t device_id[USMP_DEVICE_ID_LEN];
} usmp_discovery_offer_t;

/* ---- the two messages ---- */

/* `wanted`: USMP_DISCOVERY_GATEWAY, USMP_DISCOVERY_DEVICE, or both. Returns 0, or USMP_ERR_INVALID_ARGUMENT. */
int usmp_discovery_write_query(uint8_t query[USMP_DISCOVERY_QUERY_SIZE], const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE],
                               unsigned wanted);
/* What a query wants, one to three; 0: this is no query. Its nonce is at bytes + USMP_DISCOVERY_NONCE_OFFSET. */
unsigned usmp_discovery_read_query(const uint8_t *bytes, size_t len);
#define USMP_DISCOVERY_NONCE_OFFSET 6

/* Whether 14.1 allows the offer: both messages and the TXT record hold to it. */
bool usmp_discovery_is_good(const usmp_discovery_offer_t *offer);
/* Returns the length, at most USMP_DISCOVERY_ANSWER_MAX, or USMP_ERR_INVALID_ARGUMENT for an offer that the format has no place for. */
int usmp_discovery_write_answer(uint8_t answer[USMP_DISCOVERY_ANSWER_MAX], const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE],
                                const usmp_discovery_offer_t *offer);
/* 0, or USMP_ERR_BAD_PAYLOAD for bytes that are not an answer; do not use `offer` then. */
int usmp_discovery_read_answer(const uint8_t *bytes, size_t len, usmp_discovery_offer_t *offer);

/* Two random bytes: another name at each start, so that nobody follows a device by it. To be made once in a start. Returns 0, or
   USMP_ERR_RANDOM_FAILED. */
int usmp_discovery_make_instance(usmp_random_fn random, void *context, uint8_t instance[USMP_DISCOVERY_INSTANCE_SIZE]);

/* ---- the same as a TXT record of mDNS (14.5) ---- */

/* The services: gateways take sessions at these, devices want to be found by that one. */
#define USMP_DISCOVERY_GATEWAY_SERVICE "_usmp"       /* "._udp" or "._tcp" */
#define USMP_DISCOVERY_DEVICE_SERVICE "_usmp-device" /* "._udp" */
#define USMP_DISCOVERY_INSTANCE_NAME 10              /* "usmp-8f3a" */
#define USMP_DISCOVERY_NO_PORT 9                     /* discard: of a device that takes no sessions */

#define USMP_DISCOVERY_MAX_TXT 8
#define USMP_DISCOVERY_TXT_VALUE 56 /* "tcp:65535,udp:65535,ws:65535,mqtt:65535,wss:65535" */

/* "t" and "udp:9000". */
typedef struct usmp_discovery_txt {
  const char *key;
  char value[USMP_DISCOVERY_TXT_VALUE];
} usmp_discovery_txt_t;

/* Returns how many items there are; 0 for an offer that cannot be written. All of them take less than 200 bytes in a record. */
size_t usmp_discovery_write_txt(const usmp_discovery_offer_t *offer, usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT]);
void usmp_discovery_write_instance_name(const usmp_discovery_offer_t *offer, char name[USMP_DISCOVERY_INSTANCE_NAME]);

/* Read an entry at a time, in the order of the record; `value` is null where it has no '='. A key that comes again, and one with bytes
   that are no printable ASCII, are not looked at. Then the end: returns 0, or USMP_ERR_BAD_PAYLOAD when it was no offer of ours, or a record
   of more than 200 bytes. `port` is that of the SRV record, for carriers that name none. */
typedef struct usmp_discovery_txt_reader {
  usmp_discovery_offer_t offer;
  bool good;
  uint16_t port;
  uint32_t seen; /* a bit for each key */
  size_t size;   /* of the record so far */
  uint32_t entries;
} usmp_discovery_txt_reader_t;

void usmp_discovery_begin_txt(usmp_discovery_txt_reader_t *reader, uint16_t port);
void usmp_discovery_read_txt(usmp_discovery_txt_reader_t *reader, const char *key, size_t key_len, const char *value,
                             size_t len);
int usmp_discovery_end_txt(const usmp_discovery_txt_reader_t *reader, usmp_discovery_offer_t *offer);

/* ---- addresses ---- */

/* IPv4, as a socket has it: bytes in the order in which they are written down. */
typedef struct usmp_discovery_address {
  uint8_t ip[4];
  uint16_t port;
} usmp_discovery_address_t;

/* ---- who answers ---- */

#define USMP_DISCOVERY_RATE 5u        /* answers a second for one address */
#define USMP_DISCOVERY_RATE_ALL 50u   /* for all of them together */
#define USMP_DISCOVERY_RATE_ENTRIES 8 /* addresses that are remembered */

typedef struct usmp_discovery_rate {
  uint8_t ip[4];
  uint8_t answers; /* in the second that began at `since` */
  uint32_t since;  /* ms */
} usmp_discovery_rate_t;

/* Owned by one thread. `offer` may change at any time between two calls. */
typedef struct usmp_discovery_responder {
  usmp_discovery_offer_t offer;
  usmp_discovery_rate_t all; /* of every address together */
  usmp_discovery_rate_t rates[USMP_DISCOVERY_RATE_ENTRIES];
} usmp_discovery_responder_t;

/* Returns 0, or USMP_ERR_INVALID_ARGUMENT for an offer that cannot be written. */
int usmp_discovery_init_responder(usmp_discovery_responder_t *responder, const usmp_discovery_offer_t *offer);
/* Whatever came. Returns the length of the answer for its sender; 0: stay silent. Silent for bytes that are not a query, for one that wants
   others, for senders without a private, link-local or loopback address, and for those that had their answers of this second. `now` in ms; it may wrap. */
size_t usmp_discovery_respond(usmp_discovery_responder_t *responder, const usmp_discovery_address_t *from, const uint8_t *bytes,
                              size_t len, uint32_t now, uint8_t answer[USMP_DISCOVERY_ANSWER_MAX]);

/* ---- who searches ---- */

/* Queries get lost, so the first is repeated soon. */
#define USMP_DISCOVERY_SECOND_QUERY_MS 250u
#define USMP_DISCOVERY_THIRD_QUERY_MS 750u
#define USMP_DISCOVERY_QUERY_PAUSE_MS 5000u /* between all others */
#define USMP_DISCOVERY_MAX_FOUND 8
#define USMP_DISCOVERY_MAX_FOUND_PER_IP 4 /* one liar cannot take all places */
#define USMP_DISCOVERY_MAX_MISSED 2       /* queries in a row without an answer, then it is dropped */

/* 10/8, 127/8, 169.254/16, 172.16/12, 192.168/16. Senders from further away get no answer, and theirs are not taken. */
bool usmp_discovery_is_near(const uint8_t ip[4]);

typedef struct usmp_discovery_found {
  usmp_discovery_offer_t offer;
  usmp_discovery_address_t address; /* of who answered; its sessions are at offer.carriers[].port */
  uint32_t seen;                    /* ms: when it last answered. Never a sign that it is there now */
  uint8_t missed;                   /* queries since then */
  uint32_t mark;                    /* the application's own, e.g. when it last tried; 0 when this was found */
} usmp_discovery_found_t;

typedef struct usmp_discovery_wish {
  unsigned roles;         /* as of usmp_discovery_write_query */
  const char *site;       /* gateways of this site only; null: any. Stays the caller's. */
  const uint8_t *not_own; /* an instance that is no find, the caller's own; null: none. Stays the caller's. */
  usmp_random_fn random;  /* for nonces: a stranger who does not see the queries cannot answer them */
  void *context;
} usmp_discovery_wish_t;

/* Owned by one thread; found[0 .. count) is to be read between two calls, and an index does not outlast the next one. */
typedef struct usmp_discovery_searcher {
  usmp_discovery_found_t found[USMP_DISCOVERY_MAX_FOUND];
  size_t count;
  /* Private. */
  usmp_discovery_wish_t wish;
  uint8_t nonces[2][USMP_DISCOVERY_NONCE_SIZE]; /* of the last query and of the one before, whose answers may be under way */
  bool asked;                                   /* the nonces are some */
  uint8_t queries;                              /* since the search began, up to 3 */
  uint32_t next_query;
} usmp_discovery_searcher_t;

/* Returns 0, or USMP_ERR_INVALID_ARGUMENT. The first query is due at once. */
int usmp_discovery_init_searcher(usmp_discovery_searcher_t *searcher, const usmp_discovery_wish_t *wish, uint32_t now);
/* Begins again with the short pauses, at once; what was found stays. For a peer that was lost, or a network that changed. */
void usmp_discovery_restart_search(usmp_discovery_searcher_t *searcher, uint32_t now);
/* Returns USMP_DISCOVERY_QUERY_SIZE when a query is due, which is in `query` then, to be sent to everybody; 0: not yet; or
   USMP_ERR_RANDOM_FAILED. */
int usmp_discovery_query_due(usmp_discovery_searcher_t *searcher, uint32_t now, uint8_t query[USMP_DISCOVERY_QUERY_SIZE]);
/* Milliseconds until then. */
uint32_t usmp_discovery_query_due_in(const usmp_discovery_searcher_t *searcher, uint32_t now);
/* Whatever came. Returns the index in found[], or less than zero: this is no answer to our query, or there is no place for it.
   A peer that says the same from the same address again is found once. One that says something else, or answers from elsewhere, is another
   find, so that nobody can change what another one said. When there is no place, what is there stays. */
int usmp_discovery_note_answer(usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from, const uint8_t *bytes,
                               size_t len, uint32_t now);
/* The same for an offer that came by another way, as mDNS. */
int usmp_discovery_note_offer(usmp_discovery_searcher_t *searcher, const usmp_discovery_address_t *from,
                              const usmp_discovery_offer_t *offer, uint32_t now);
/* Takes one out, e.g. because it did not have the key. It is found again when it answers again. */
void usmp_discovery_forget(usmp_discovery_searcher_t *searcher, size_t index);
/* The port at which an offer takes sessions over `kind`; 0: it does not. */
uint16_t usmp_discovery_port_of(const usmp_discovery_offer_t *offer, usmp_carrier_t kind);

#ifdef __cplusplus
}
#endif
#endif
