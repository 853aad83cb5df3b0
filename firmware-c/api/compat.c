/* What firmware for the published component names, and the rest of the library does without. */
#include <string.h>

#include "usmp.h"
#include "usmp/crc16.h"

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *usmp_get_version(void)
{
  return VERSION(USMP_VERSION_MAJOR, USMP_VERSION_MINOR, USMP_VERSION_PATCH);
}

uint16_t usmp_crc16(const uint8_t *data, uint16_t len)
{
  return usmp_crc16_update(USMP_CRC16_INIT, data, len);
}

void usmp_serialize_header(uint16_t magic, uint8_t version, uint8_t type, uint32_t seq, uint16_t length, uint8_t out[10])
{
  usmp_store16(out, magic);
  out[2] = version;
  out[3] = type;
  usmp_store32(out + 4, seq);
  usmp_store16(out + 8, length);
}

int usmp_build_packet(usmp_packet_t *pkt, uint8_t *out, uint16_t *out_len)
{
  if (pkt->length > USMP_MAX_PAYLOAD) return USMP_ERR_INVALID_ARGUMENT;
  memcpy(out + USMP_HEADER_SIZE, pkt->payload, pkt->length);
  int len = usmp_frame_encode(USMP_WIRE_VERSION, out, pkt->type, pkt->seq, pkt->length);
  if (len < 0) return len;
  pkt->crc = usmp_load16(out + 10);
  if (out_len) *out_len = (uint16_t)len;
  return len;
}

int usmp_parse_packet(uint8_t *data, int len, usmp_packet_t *pkt)
{
  usmp_frame_t frame;

  if (len < 0) return USMP_ERR_INVALID_ARGUMENT;
  int err = usmp_frame_decode(USMP_WIRE_VERSION, data, (size_t)len, &frame);
  if (err < 0) return err;
  pkt->magic = USMP_MAGIC;
  pkt->version = USMP_VERSION;
  pkt->type = (uint8_t)frame.type;
  pkt->seq = frame.seq;
  pkt->length = (uint16_t)frame.length;
  pkt->crc = usmp_load16(data + 10);
  memcpy(pkt->payload, frame.payload, frame.length);
  return USMP_OK;
}
