/* A message of up to four frames (specification, section 4.6): DATA_FRAG … DATA, consecutive, nothing between. */
#ifndef USMP_FRAGMENT_H
#define USMP_FRAGMENT_H

#include "usmp/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts the frames of a message that is being received. The bytes are the connection's. */
typedef struct usmp_fragment {
  uint32_t next;   /* the seq that must follow */
  uint16_t length; /* bytes of the message so far, or of the last one */
  uint8_t frames;  /* frames so far; 0 between messages */
} usmp_fragment_t;

/* How many frames a message takes. An empty message is one frame. */
size_t usmp_fragment_count(size_t message_len);

/* Takes note of an authenticated DATA or DATA_FRAG frame. Returns 1 when the message is complete, 0 when
   more must follow, or USMP_ERR_BAD_FRAGMENT (the half-built message is forgotten). */
USMP_MUST_CHECK int usmp_fragment_push(usmp_fragment_t *f, uint32_t type, uint32_t seq, size_t len);

/* How many bytes of a message stand before the next frame's. */
static inline size_t usmp_fragment_begin(const usmp_fragment_t *f)
{
  return f->frames > 0 ? f->length : 0;
}

#ifdef __cplusplus
}
#endif
#endif
