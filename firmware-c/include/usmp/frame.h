/* The frame header (specification, section 1.1): the one copy that wire, CRC and AAD use. */
#ifndef USMP_FRAME_H
#define USMP_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "usmp/bytes.h"
#include "usmp/constants.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct usmp_frame {
  const uint8_t *header; /* 12 bytes; the first 10 are the AAD */
  const uint8_t *payload;
  uint32_t seq;
  uint32_t length; /* of the payload; words, because small processors reach them with short instructions */
  uint32_t type;
} usmp_frame_t;

/* `version` is that of the wire protocol: USMP_WIRE_VERSION for version 2.

   Writes the header with its CRC in front of a payload that already stands at frame + 12.
   Returns the length of the frame, or USMP_ERR_INVALID_ARGUMENT for type 0 or over 480 bytes. */
USMP_MUST_CHECK int usmp_frame_encode(uint32_t version, uint8_t *frame, uint32_t type, uint32_t seq, size_t payload_len);

/* The same in two steps. The first 10 header bytes: what sealing authenticates. */
void usmp_frame_header(uint32_t version, uint8_t *frame, uint32_t type, uint32_t seq, size_t payload_len);
/* The CRC behind them. Returns the length of the frame. */
int usmp_frame_finish(uint8_t *frame, size_t payload_len);

/* Decodes exactly one whole frame. Of a shorter one the header fields are judged that are there, in the order of
   their bytes, before it is USMP_ERR_INCOMPLETE. */
USMP_MUST_CHECK int usmp_frame_decode(uint32_t version, const uint8_t *bytes, size_t len, usmp_frame_t *frame);

#ifdef __cplusplus
}
#endif
#endif
