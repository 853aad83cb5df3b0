/* Whatever comes on a stream or serial line: frames that decode again, in any cut; errors of the list; no byte read twice. */
#include <assert.h>
#include <string.h>

#include "usmp/deframer.h"
#include "usmp/errors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns how many frames came, and a sum over them. */
static unsigned run(const uint8_t *data, size_t size, size_t stride, bool packets, int *last)
{
  uint8_t buffer[USMP_MAX_COBS_SIZE];
  usmp_deframer_t deframer;
  unsigned sum = 0;

  usmp_deframer_init(&deframer, buffer, USMP_WIRE_VERSION);
  *last = 0;
  for (size_t at = 0; at < size;) {
    usmp_frame_t frame;
    size_t used;
    size_t len = size - at < stride ? size - at : stride;
    int found = packets ? usmp_deframer_packets(&deframer, data + at, len, &used, &frame)
                        : usmp_deframer_stream(&deframer, data + at, len, &used, &frame);
    assert(used <= len);
    at += used;
    if (found > 0) {
      usmp_frame_t again;
      assert(usmp_frame_decode(USMP_WIRE_VERSION, frame.header, USMP_HEADER_SIZE + (size_t)frame.length, &again) == 0);
      sum = sum * 31 + frame.type + frame.seq + frame.length;
    } else if (found < 0) {
      *last = found;
      assert(strcmp(usmp_err_name(found), "UNKNOWN") != 0);
      if (!packets) return sum;
    }
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2) return 0;
  size_t stride = 1u + data[0];
  bool packets = data[1] & 1;
  int whole_last;
  int cut_last;
  unsigned whole = run(data + 2, size - 2, size, packets, &whole_last);
  unsigned cut = run(data + 2, size - 2, stride, packets, &cut_last);
  assert(whole == cut && whole_last == cut_last);
  return 0;
}
