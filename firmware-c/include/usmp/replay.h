/* The receive counter of one key: exact order on streams, a 64-wide window on datagrams (specification, sections 4.2 and 4.5).

        seen bit 63 ............... bit 1   bit 0
        seq      next-64            next-2  next-1 | next and above are new

   Check, open the frame, then commit: nothing but an authenticated frame moves the window. */
#ifndef USMP_REPLAY_H
#define USMP_REPLAY_H

#include "usmp/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_replay {
  uint32_t next;    /* one more than the highest seq accepted */
  uint32_t seen[2]; /* bits 0-31, bits 32-63: two words keep the struct free of 8-byte alignment */
} usmp_replay_t;

typedef enum usmp_freshness { USMP_NEW, USMP_DUPLICATE, USMP_STALE } usmp_freshness_t;

/* USMP_NEW: it may be accepted; USMP_DUPLICATE: it was; USMP_STALE: too old to know. Changes nothing. */
usmp_freshness_t usmp_replay_check(const usmp_replay_t *window, uint32_t seq);

/* The frame with this number was authenticated. It must have been checked to be new, and must be below 0xFFFFFFFF. */
void usmp_replay_commit(usmp_replay_t *window, uint32_t seq);

#ifdef __cplusplus
}
#endif
#endif
