/* Chunks of a byte stream in, one frame at a time out; at most one frame is held.

   Who calls it: a connection on a stream or serial line. After usmp_deframer_init one of the two functions is called with a chunk,
   then with its rest (from *used on), until it returns 0. It owns the buffer's contents; a frame that it returned points into
   the buffer, and the next call overwrites it. */
#ifndef USMP_DEFRAMER_H
#define USMP_DEFRAMER_H

#include "usmp/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_deframer {
  uint8_t *buffer; /* stream: USMP_MAX_FRAME_SIZE bytes; packets: USMP_MAX_COBS_SIZE bytes */
  uint16_t used;   /* bytes in the buffer */
  uint8_t version; /* of the frames */
  int8_t error;    /* stream: the first error, returned by every later call; packets: why the current one is skipped */
  bool delivered;  /* the buffer holds a frame that was handed out; the next call begins with an empty buffer */
} usmp_deframer_t;

/* Begins with an empty buffer, for frames of this wire version. */
void usmp_deframer_init(usmp_deframer_t *d, uint8_t *buffer, uint32_t version);

/* Frames back to back. Sets *used to the bytes taken from the chunk. Returns 1 with a frame
   (valid until the next call), 0 when the chunk is used up, or the error that ends the stream. */
USMP_MUST_CHECK int usmp_deframer_stream(usmp_deframer_t *d, const uint8_t *chunk, size_t len, size_t *used,
                                         usmp_frame_t *frame);

/* COBS packets between zeros. The same, but an error concerns one packet and the next call goes on. */
USMP_MUST_CHECK int usmp_deframer_packets(usmp_deframer_t *d, const uint8_t *chunk, size_t len, size_t *used,
                                          usmp_frame_t *frame);

#ifdef __cplusplus
}
#endif
#endif
