/* A peer without the PSK sends what it likes: it never gets a session. The input is a list of (type, length,
   payload); the frames around them are made right, so that the handshake sees them. */
#include "sides.h"
#include "usmp/cobs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static fuzz_side_t side;
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  uint8_t packet[USMP_MAX_PACKET_SIZE];
  uint32_t now = 0;

  if (size < 1) return 0;
  fuzz_state = 0;
  bool serial = fuzz_kind(data[0]) == USMP_KIND_SERIAL;
  fuzz_open(&side, data[0], data[0] & FUZZ_CLIENT);
  fuzz_drain(&side, NULL, now);
  for (size_t at = 1; at + 2 <= size;) {
    uint8_t type = data[at] ? data[at] : 1;
    size_t len = data[at + 1];
    at += 2;
    if (len > size - at) len = size - at;
    memcpy(frame + USMP_HEADER_SIZE, data + at, len);
    at += len;
    int frame_len = usmp_frame_encode(USMP_WIRE_VERSION, frame, type, type & 3, len);
    size_t packet_len = (size_t)frame_len;
    if (serial) {
      packet[0] = 0;
      packet_len = 1 + usmp_cobs_encode(frame, packet_len, packet + 1);
      packet[packet_len++] = 0;
    }
    assert(usmp_conn_receive(&side.conn, serial ? packet : frame, packet_len, now) <= (int)packet_len);
    fuzz_drain(&side, NULL, now);
    now += 100;
    usmp_conn_handle_timeout(&side.conn, now);
    fuzz_drain(&side, NULL, now);
    fuzz_check(&side);
    assert(!usmp_conn_established(&side.conn));
  }
  return 0;
}
