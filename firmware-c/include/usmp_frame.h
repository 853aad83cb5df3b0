/* Names of the published component for frames (specification, section 1), over usmp/frame.h. A transport needs the sizes only. */
#ifndef USMP_FRAME_COMPAT_H
#define USMP_FRAME_COMPAT_H

#include <stdint.h>

#include "usmp/constants.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_MAGIC (USMP_MAGIC_1 << 8 | USMP_MAGIC_0)
#define USMP_VERSION USMP_WIRE_VERSION
#define USMP_GCM_TAG_LEN USMP_TAG_SIZE
#define USMP_GCM_NONCE_LEN USMP_NONCE_SIZE

/* A frame taken apart. As in memory, not as on the wire. */
typedef struct usmp_packet {
  uint16_t magic;
  uint8_t version;
  uint8_t type;
  uint32_t seq;
  uint16_t length; /* of the payload */
  uint16_t crc;
  uint8_t payload[USMP_MAX_PAYLOAD];
} usmp_packet_t;

/* CRC-16 of section 1.2 of the specification over `len` bytes. */
uint16_t usmp_crc16(const uint8_t *data, uint16_t len);

/* Writes header, CRC and payload to `out` (at least 12 + length bytes). Magic and version are those of the wire,
   whatever the packet says. Returns the frame's length, and stores it in *out_len unless that is null; or
   USMP_ERR_INVALID_ARGUMENT for type 0 or a length over 480. */
int usmp_build_packet(usmp_packet_t *pkt, uint8_t *out, uint16_t *out_len);

/* Takes exactly one frame apart. 0, or less than zero (specification, section 1.3). */
int usmp_parse_packet(uint8_t *data, int len, usmp_packet_t *pkt);

/* The first 10 bytes of a header: all but the CRC. */
void usmp_serialize_header(uint16_t magic, uint8_t version, uint8_t type, uint32_t seq, uint16_t length, uint8_t out[10]);

#ifdef __cplusplus
}
#endif
#endif
