#include "usmp/frame.h"

#include "usmp/crc16.h"
#include "usmp/errors.h"

static uint16_t frame_crc(const uint8_t *frame, size_t payload_len)
{
  uint16_t crc = usmp_crc16_update(USMP_CRC16_INIT, frame, USMP_AAD_SIZE);
  return usmp_crc16_update(crc, frame + USMP_HEADER_SIZE, payload_len);
}

void usmp_frame_header(uint32_t version, uint8_t *frame, uint32_t type, uint32_t seq, size_t payload_len)
{
  frame[0] = USMP_MAGIC_0;
  frame[1] = USMP_MAGIC_1;
  frame[2] = (uint8_t)version;
  frame[3] = (uint8_t)type;
  usmp_store32(frame + 4, seq);
  usmp_store16(frame + 8, (uint16_t)payload_len);
}

int usmp_frame_finish(uint8_t *frame, size_t payload_len)
{
  usmp_store16(frame + 10, frame_crc(frame, payload_len));
  return (int)(USMP_HEADER_SIZE + payload_len);
}

int usmp_frame_encode(uint32_t version, uint8_t *frame, uint32_t type, uint32_t seq, size_t payload_len)
{
  if (type == 0 || payload_len > USMP_MAX_PAYLOAD) return USMP_ERR_INVALID_ARGUMENT;
  usmp_frame_header(version, frame, type, seq, payload_len);
  return usmp_frame_finish(frame, payload_len);
}

int usmp_frame_decode(uint32_t version, const uint8_t *bytes, size_t len, usmp_frame_t *frame)
{
  size_t length = 0;

  if (len >= 2 && (bytes[0] != USMP_MAGIC_0 || bytes[1] != USMP_MAGIC_1)) return USMP_ERR_BAD_MAGIC;
  if (len >= 3 && bytes[2] != version) return USMP_ERR_BAD_VERSION;
  if (len >= 4 && bytes[3] == 0) return USMP_ERR_BAD_TYPE;
  if (len >= 10) length = usmp_load16(bytes + 8);
  if (length > USMP_MAX_PAYLOAD) return USMP_ERR_BAD_LENGTH;
  if (len < USMP_HEADER_SIZE + length) return USMP_ERR_INCOMPLETE;
  if (len > USMP_HEADER_SIZE + length) return USMP_ERR_TRAILING_BYTES;
  if (usmp_load16(bytes + 10) != frame_crc(bytes, length)) return USMP_ERR_BAD_CRC;

  frame->header = bytes;
  frame->payload = bytes + USMP_HEADER_SIZE;
  frame->seq = usmp_load32(bytes + 4);
  frame->length = (uint32_t)length;
  frame->type = bytes[3];
  return USMP_OK;
}
