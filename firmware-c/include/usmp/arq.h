/* Datagrams (specification, sections 7.3 to 7.6): acknowledgements, round-trip estimate, retransmission of one frame.

   Who calls it: src/datagram.c, which holds the frame. usmp_arq_sent comes each time the frame leaves, usmp_arq_acked once when a
   UTACK proves its arrival, usmp_arq_lost each time usmp_arq_wait is 0. It owns the times; it knows neither frames nor keys. */
#ifndef USMP_ARQ_H
#define USMP_ARQ_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 6298, in milliseconds: a sample from frames sent once only, doubled at each loss, 100 ms to 5 s; losses in the
   handshake double it up to 1 s. */
typedef struct usmp_arq {
  uint32_t sent_at;
  uint32_t first_sent_at;
  uint16_t srtt; /* 0: no sample yet */
  uint16_t rttvar;
  uint16_t rto;
  uint8_t sends; /* of the frame under way, 2 for any more, 3 behind usmp_arq_last_chance; 0: nothing is under way */
  bool resend;   /* its time is up */
} usmp_arq_t;

/* Begins with nothing under way, and 500 ms until the first repeat. */
void usmp_arq_init(usmp_arq_t *arq);
/* The frame under way has left, for the first time or again. */
void usmp_arq_sent(usmp_arq_t *arq, uint32_t now);
/* The frame under way has arrived: takes a round-trip sample, if it was sent once. Nothing is under way then. */
void usmp_arq_acked(usmp_arq_t *arq, uint32_t now);

/* Milliseconds until the frame under way must be sent again; UINT32_MAX if none is. */
uint32_t usmp_arq_wait(const usmp_arq_t *arq, uint32_t now);

/* To be called when usmp_arq_wait says 0: the frame is to be sent again, and the wait doubles. `handshake`: up to 1 s only. */
void usmp_arq_lost(usmp_arq_t *arq, bool handshake);

/* True once for each frame: it may be sent once more although its time is over. */
bool usmp_arq_last_chance(usmp_arq_t *arq);

/* Writes a UTACK: with a mac for the types from 0x05 on, if there is a key. Returns its length, 7 or 15, or
   USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_utack_build(const usmp_crypto_t *crypto, const uint8_t *key, uint32_t type, uint32_t seq,
                                     uint8_t out[USMP_UTACK_MAX_SIZE]);

/* True for a datagram that looks like a UTACK. It proves nothing yet. */
bool usmp_utack_is(const uint8_t *datagram, size_t len);

/* True when the UTACK names this frame and has the mac that its type asks for. Without a key only handshake
   frames can be acknowledged. */
USMP_MUST_CHECK bool usmp_utack_proves(const usmp_crypto_t *crypto, const uint8_t *key, uint32_t type, uint32_t seq,
                                       const uint8_t *datagram, size_t len);

#ifdef __cplusplus
}
#endif
#endif
