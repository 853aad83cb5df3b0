/* Two ends of a session and somebody between who loses, repeats, keeps and changes frames; the peer itself, with
   the keys, may send any type and length. The input is a list of operations. */
#include "sides.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fuzz_side_t sides[2];

static void establish(uint8_t kind)
{
  usmp_keys_t keys;
  uint8_t id[USMP_SESSION_ID_LEN] = {1, 2, 3};

  memset(keys.c2s, 1, sizeof keys.c2s);
  memset(keys.s2c, 2, sizeof keys.s2c);
  for (int i = 0; i < 2; i++) {
    fuzz_open(&sides[i], kind, i == 0);
    fuzz_drain(&sides[i], NULL, 0);
    usmp_conn_establish(&sides[i].conn, &keys, id, USMP_CIPHER_CHACHA20_POLY1305, i == 0);
    fuzz_drain(&sides[i], NULL, 0);
  }
}

/* Whatever a peer with the keys may seal. */
static size_t seal_anything(fuzz_side_t *from, uint8_t type, size_t len, uint8_t *frame)
{
  if (!usmp_conn_established(&from->conn)) return 0;
  memset(frame + USMP_PLAINTEXT_OFFSET, type, len);
  int made = usmp_session_seal(&from->conn.u.session, &usmp_crypto_bearssl, type ? type : 1, frame, len);
  return made > 0 ? (size_t)made : 0;
}

static void give(fuzz_side_t *to, const uint8_t *frame, size_t len, uint32_t now)
{
  if (len == 0) return;
  int used = usmp_conn_receive(&to->conn, frame, len, now);
  assert(used <= (int)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static uint8_t frames[2][USMP_MAX_PACKET_SIZE]; /* the newest frame of each side */
  size_t lens[2] = {0, 0};
  uint8_t message[600];
  uint32_t now = 0;

  if (size < 1) return 0;
  fuzz_state = 0;
  establish(data[0] & 1 ? USMP_KIND_DATAGRAM : USMP_KIND_STREAM);
  memset(message, 'm', sizeof message);
  for (size_t at = 1; at + 3 <= size; at += 3) {
    int from = data[at] & 1;
    fuzz_side_t *side = &sides[from];
    size_t value = (size_t)(data[at + 1] | data[at + 2] << 8);
    switch ((data[at] >> 1) % 9) {
      case 0: (void)!usmp_conn_send(&side->conn, message, value % sizeof message, now); break;
      case 1: (void)!usmp_conn_rekey(&side->conn, now); break;
      case 2: (void)!usmp_conn_ping(&side->conn, now); break;
      case 3: give(&sides[!from], frames[from], lens[from], now); break; /* deliver, or repeat */
      case 4: give(side, frames[from], lens[from], now); break;          /* reflect */
      case 5:
        if (lens[from]) frames[from][value % lens[from]] ^= (uint8_t)(1 + data[at + 2]);
        break;
      case 6: lens[from] = seal_anything(side, data[at + 2], value % USMP_MAX_DATA_LEN, frames[from]); break;
      case 7: now += (uint32_t)value; usmp_conn_handle_timeout(&side->conn, now); break;
      default:
        if (value == 1) usmp_conn_close(&side->conn, USMP_ERR_CLOSED, now);
        break;
    }
    for (int i = 0; i < 2; i++) {
      size_t len = fuzz_drain(&sides[i], frames[i], now);
      if (len) lens[i] = len;
      fuzz_check(&sides[i]);
    }
  }
  return 0;
}
