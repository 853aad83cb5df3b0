#include "usmp/deframer.h"

#include <string.h>

#include "usmp/cobs.h"
#include "usmp/errors.h"

void usmp_deframer_init(usmp_deframer_t *d, uint8_t *buffer, uint32_t version)
{
  d->buffer = buffer;
  d->version = (uint8_t)version;
  d->used = 0;
  d->error = 0;
  d->delivered = false;
}

static void start_afresh(usmp_deframer_t *d)
{
  if (!d->delivered) return;
  d->used = 0;
  d->delivered = false;
}

/* How many bytes the frame in the buffer has, as far as that is known. */
static size_t wanted(const usmp_deframer_t *d)
{
  return USMP_HEADER_SIZE + (d->used < USMP_HEADER_SIZE ? 0 : (size_t)usmp_load16(d->buffer + 8));
}

int usmp_deframer_stream(usmp_deframer_t *d, const uint8_t *chunk, size_t len, size_t *used, usmp_frame_t *frame)
{
  *used = 0;
  start_afresh(d);
  while (d->error == 0) {
    size_t take = wanted(d) - d->used;
    if (take > len - *used) take = len - *used;
    if (take) memcpy(d->buffer + d->used, chunk + *used, take);
    d->used = (uint16_t)(d->used + take);
    *used += take;
    int err = usmp_frame_decode(d->version, d->buffer, d->used, frame);
    if (err == USMP_OK) {
      d->delivered = true;
      return 1;
    }
    if (err != USMP_ERR_INCOMPLETE) d->error = (int8_t)err;
    else if (*used == len) return 0;
  }
  return d->error;
}

static int end_packet(usmp_deframer_t *d, usmp_frame_t *frame)
{
  int result = d->error;
  if (result == 0) result = usmp_cobs_decode(d->buffer, d->used);
  if (result >= 0) result = usmp_frame_decode(d->version, d->buffer, (size_t)result, frame);
  d->error = 0;
  d->delivered = true;
  return result < 0 ? result : 1;
}

int usmp_deframer_packets(usmp_deframer_t *d, const uint8_t *chunk, size_t len, size_t *used, usmp_frame_t *frame)
{
  *used = 0;
  start_afresh(d);
  while (*used < len) {
    uint8_t byte = chunk[(*used)++];
    if (byte == 0) {
      if (d->used > 0) return end_packet(d, frame);
    } else if (d->used == USMP_MAX_COBS_SIZE) {
      d->error = USMP_ERR_BAD_COBS; /* too long: the rest, up to the next zero, is skipped */
    } else {
      d->buffer[d->used++] = byte;
    }
  }
  return 0;
}
