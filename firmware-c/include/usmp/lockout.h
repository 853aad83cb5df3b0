/* Failed handshakes of one device at one address lock out that pair alone (specification 3.12): the
   fifth failure for 1 s, each further one for twice as long, 60 s at most. A success, or 600 s without a failure,
   forgets them. */
#ifndef USMP_LOCKOUT_H
#define USMP_LOCKOUT_H

#include "usmp/bytes.h"
#include "usmp/constants.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_ADDRESS_MAX 16 /* without port */

typedef struct usmp_peer_id {
  uint8_t address[USMP_ADDRESS_MAX]; /* unused bytes zero; all zero for a serial line */
  uint8_t device_id[USMP_DEVICE_ID_LEN];
} usmp_peer_id_t;

typedef struct usmp_lockout_entry {
  usmp_peer_id_t peer;
  uint32_t failed_at;
  uint16_t failures; /* 0: free */
} usmp_lockout_entry_t;

/* The caller's table. When it is full, the pair whose last failure is oldest gives way. */
typedef struct usmp_lockout {
  usmp_lockout_entry_t *entries;
  size_t count;
} usmp_lockout_t;

/* Before a key is looked up: true while this device at this address is locked out. */
bool usmp_lockout_holds(usmp_lockout_t *lockout, const usmp_peer_id_t *peer, uint32_t now);
/* After a handshake that ended with a wrong proof: no timeout, no noise. */
void usmp_lockout_failed(usmp_lockout_t *lockout, const usmp_peer_id_t *peer, uint32_t now);
/* After a handshake that succeeded: forgets the pair. */
void usmp_lockout_succeeded(usmp_lockout_t *lockout, const usmp_peer_id_t *peer);

#ifdef __cplusplus
}
#endif
#endif
