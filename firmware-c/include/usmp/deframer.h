/* Chunks of a byte stream in, one frame at a time out; at most one frame is held. */
#ifndef USMP_DEFRAMER_H
#define USMP_DEFRAMER_H

#include "usmp/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_deframer {
  uint8_t *buffer; /* stream: USMP_MAX_FRAME_SIZE bytes; packets: USMP_MAX_COBS_SIZE bytes */
  uint16_t used;
  uint8_t version; /* of the frames */
  int8_t error;   /* stream: the first error, repeated for ever; packets: why the current one is skipped */
  bool delivered; /* the buffer holds a frame that was handed out; the next push starts afresh */
} usmp_deframer_t;

void usmp_deframer_init(usmp_deframer_t *d, uint8_t *buffer, uint32_t version);

/* Frames back to back. Sets *used to the bytes taken from the chunk. Returns 1 with a frame
   (valid until the next call), 0 when the chunk is used up, or the error that ends the stream. */
USMP_MUST_CHECK int usmp_deframer_stream(usmp_deframer_t *d, const uint8_t *chunk, size_t len,
                                         size_t *used, usmp_frame_t *frame);

/* COBS packets between zeros. The same, but an error concerns one packet and the next call goes on. */
USMP_MUST_CHECK int usmp_deframer_packets(usmp_deframer_t *d, const uint8_t *chunk, size_t len,
                                          size_t *used, usmp_frame_t *frame);

#ifdef __cplusplus
}
#endif
#endif
