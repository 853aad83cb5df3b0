/* A peer that meets one other peer at a blind relay (specification, chapter 12). Both hold the same pair key: 32 bytes that nobody
   else has, given to both when they were set up. The relay joins their WebSockets, and can read nothing of their session.

     static usmp_relay_t relay;
     const usmp_relay_config_t config = {.ws = {.url = "wss://relay.example/relay"}, .pair_key = key, .side = 1,
                                         .token = token, .token_len = sizeof token};
     usmp_relay_start(&relay, &config);
     for (;;) {
       int err = usmp_relay_meet(&relay, &ctx, time(NULL), 30000);
       if (err == USMP_ERR_NOT_CONNECTED) continue;            the other one is not there; we wait on
       if (err == 0) use_session(&ctx);
       usmp_close(&ctx);
       pause();                                                grows with each failure
     }

   What the session says is end to end. A relay can keep the two apart, see when they talk and how much, and close their session;
   it can do nothing else. The route and the device id change each day (UTC), so that a relay cannot tell a pair again. */
#ifndef USMP_RELAY_H
#define USMP_RELAY_H

#include "usmp_ws.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_RELAY_SUBPROTOCOL "usmp-relay.1"
#define USMP_RELAY_ROUTE_SIZE 16
#define USMP_RELAY_MAX_TOKEN 64
#define USMP_PAIR_KEY_SIZE 32
#define USMP_RELAY_DAY_SIZE 11 /* "2026-11-30" and its zero */
/* So close to midnight (UTC) a peer looks at two days by turns: the clocks of the two may differ (specification, section 12.3). */
#define USMP_RELAY_MARGIN_S 300u

/* Statuses that a relay closes with (specification, section 12.1), for usmp_ws_close_code(&relay.ws). */
#define USMP_RELAY_TAKEN 4001u           /* a newer WebSocket has this side of the route */
#define USMP_RELAY_TOKEN 4003u           /* the token is wrong, or its time is over */
#define USMP_RELAY_LIMIT 4004u           /* too many, or too much */
#define USMP_RELAY_WAITED_TOO_LONG 4008u /* the other peer did not come */
#define USMP_RELAY_PEER_GONE 4009u
#define USMP_RELAY_TOO_SLOW 4010u

/* What a pair key gives for a day (specification, section 12.3). */
typedef struct usmp_pair_day {
  uint8_t route[USMP_RELAY_ROUTE_SIZE];
  uint8_t device_id[USMP_DEVICE_ID_LEN]; /* in the form of a local unicast address */
} usmp_pair_day_t;

/* `day` is in UTC, like "2026-11-30". 0 or USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_pair_day(const usmp_crypto_t *crypto, const uint8_t pair_key[USMP_PAIR_KEY_SIZE], const char *day,
                                  usmp_pair_day_t *out);
/* The key of the pair's sessions, a secret. 0 or USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_pair_psk(const usmp_crypto_t *crypto, const uint8_t pair_key[USMP_PAIR_KEY_SIZE],
                                  uint8_t psk[USMP_KEY_SIZE]);
/* The day of a time in seconds since 1970 (UTC), up to the year 9999. */
void usmp_relay_day(uint64_t unix_seconds, char day[USMP_RELAY_DAY_SIZE]);

/* What it points to stays the caller's, and valid until usmp_relay_stop. */
typedef struct usmp_relay_config {
  usmp_ws_config_t ws;     /* the relay's address: wss, or ws on this machine; without a path it is /relay */
  const uint8_t *pair_key; /* USMP_PAIR_KEY_SIZE bytes */
  uint8_t side;            /* 0: the server of their sessions; 1: the client */
  const uint8_t *token;    /* of the relay's operator; null: none */
  size_t token_len;        /* up to USMP_RELAY_MAX_TOKEN */
} usmp_relay_config_t;

/* Static or for as long as it is used. All of it is private but `ws`, which usmp_ws_problem and usmp_ws_close_code take. */
typedef struct usmp_relay {
  usmp_listener_t listener; /* side 0; the first member, as its `accept` finds the rest by it */
  usmp_ws_t ws;
  usmp_relay_config_t config;
  usmp_pair_day_t today; /* of the route that was joined last */
  char day[USMP_RELAY_DAY_SIZE];
  uint8_t psk[USMP_KEY_SIZE];
  bool waiting;       /* joined, and no session has the WebSocket yet */
  uint8_t turn;       /* near midnight: odd at the other day */
  uint32_t joined_at; /* milliseconds */
  uint32_t stay_ms;   /* so long it waits there; then it joins again */
} usmp_relay_t;

/* Connects to nothing yet. `relay` is zeroed, or was stopped. Returns 0, USMP_ERR_INVALID_ARGUMENT, USMP_ERR_WEAK_PSK (a pair key that
   is not random), USMP_ERR_CRYPTO_FAILED (also: this build is without ChaCha20-Poly1305, the suite of every pair),
   USMP_ERR_RANDOM_FAILED or USMP_ERR_UNREACHABLE (no lock). */
int usmp_relay_start(usmp_relay_t *relay, const usmp_relay_config_t *config);

/* Waits up to wait_ms for the other peer, and then for the handshake, in which ctx has the role of our side. It sets ctx->psk,
   ctx->cipher_suite and ctx->own_device_id. `unix_seconds` is the time, which may be wrong by USMP_RELAY_MARGIN_S. The session of `ctx` is over, or there was none yet.
   Returns 0: there is a session; USMP_ERR_NOT_CONNECTED: the other peer is not there, call again at once, the place at the relay is
   kept; USMP_ERR_UNREACHABLE: no relay, or it closed (usmp_ws_problem, usmp_ws_close_code tell why), call again after a pause; or
   why the handshake failed, as usmp_connect and usmp_accept: after a pause as well. */
int usmp_relay_meet(usmp_relay_t *relay, usmp_t *ctx, uint64_t unix_seconds, uint32_t wait_ms);

/* Leaves the relay and wipes what was derived. The session is closed before. */
void usmp_relay_stop(usmp_relay_t *relay);

#ifdef __cplusplus
}
#endif
#endif
