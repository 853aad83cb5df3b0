/* Two ends of a session and somebody between who loses, repeats, keeps and changes what they send; either end, with the
   keys, may seal any type, number and length. The first byte chooses transport and suite; then a list of operations,
   each of a byte and a number of 16 bits. */
#include "sides.h"
#include "usmp/cobs.h"

#define KEPT 4 /* of each side, the newest that it sent */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct packet {
  uint8_t bytes[USMP_MAX_PACKET_SIZE];
  size_t len;
} packet_t;

static fuzz_side_t sides[2];
static packet_t kept[2][KEPT];
static uint8_t suite;

static void establish(uint8_t choice)
{
  usmp_traffic_keys_t keys;
  uint8_t id[USMP_SESSION_ID_LEN] = {1, 2, 3};

  memset(keys.c2s, 1, sizeof keys.c2s);
  memset(keys.s2c, 2, sizeof keys.s2c);
  for (int i = 0; i < 2; i++) {
    fuzz_open(&sides[i], choice, i == 0);
    fuzz_drain(&sides[i], NULL, 0);
    usmp_conn_establish(&sides[i].conn, &keys, id, suite, i == 0);
    fuzz_drain(&sides[i], NULL, 0);
  }
}

static void keep(int side, const uint8_t *bytes, size_t len)
{
  memmove(&kept[side][1], &kept[side][0], (KEPT - 1) * sizeof kept[side][0]);
  memcpy(kept[side][0].bytes, bytes, len);
  kept[side][0].len = len;
}

/* Whatever a peer with the keys may seal, as it travels. */
static void seal_anything(int side, uint8_t type, size_t text_len)
{
  uint8_t frame[USMP_MAX_FRAME_SIZE];
  packet_t packet;
  usmp_conn_t *conn = &sides[side].conn;

  if (!usmp_conn_established(conn)) return;
  memset(frame + USMP_PLAINTEXT_OFFSET, type, text_len);
  int len = usmp_record_layer_seal(&conn->u.record_layer, &usmp_crypto_bearssl, type ? type : 1, frame, text_len);
  if (len < 0) return;
  if (sides[side].config.kind == USMP_KIND_SERIAL) {
    packet.bytes[0] = 0;
    packet.len = 1 + usmp_cobs_encode(frame, (size_t)len, packet.bytes + 1);
    packet.bytes[packet.len++] = 0;
    keep(side, packet.bytes, packet.len);
  } else {
    keep(side, frame, (size_t)len);
  }
}

/* A peer that lies about its numbers, but never uses one twice with another frame: only onwards. */
static void jump(int side, uint32_t by)
{
  usmp_record_layer_t *session = &sides[side].conn.u.record_layer;

  if (!usmp_conn_established(&sides[side].conn) || by > USMP_SEQ_END - session->tx_next) return;
  session->tx_next += by;
}

static void give(int to, const packet_t *packet, size_t len, uint32_t now)
{
  if (len == 0) return;
  int used = usmp_conn_receive(&sides[to].conn, packet->bytes, len, now);
  assert(used <= (int)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  uint8_t newest[USMP_MAX_PACKET_SIZE];
  uint8_t message[USMP_MAX_MESSAGE_LEN + 10];
  uint32_t now = 0;

  if (size < 1) return 0;
  fuzz_state = 0;
  suite = fuzz_suite(data[0]);
  memset(kept, 0, sizeof kept);
  memset(message, 'm', sizeof message);
  establish(data[0]);
  for (size_t at = 1; at + 3 <= size; at += 3) {
    int from = data[at] & 1;
    packet_t *packet = &kept[from][(data[at] >> 1) % KEPT];
    usmp_conn_t *conn = &sides[from].conn;
    size_t value = (size_t)(data[at + 1] | data[at + 2] << 8);
    switch ((data[at] >> 3) % 12) {
      case 0: (void)!usmp_conn_send(conn, message, value % sizeof message, now); break;
      case 1: (void)!usmp_conn_rekey(conn, now); break;
      case 2: (void)!usmp_conn_ping(conn, now); break;
      case 3: give(!from, packet, packet->len, now); break; /* deliver, or repeat */
      case 4: give(from, packet, packet->len, now); break;  /* reflect */
      case 5:
        if (packet->len) packet->bytes[value % packet->len] ^= (uint8_t)(1 + data[at + 2]);
        break;
      case 6: seal_anything(from, data[at + 2], value % USMP_MAX_DATA_LEN); break;
      case 7:
        now += (uint32_t)value;
        usmp_conn_handle_timeout(conn, now);
        break;
      case 8: seal_anything(from, data[at + 2], data[at + 1] & 32); break; /* PING, PONG, BYE, REKEY as they should be */
      case 9: jump(from, value & 0x8000 ? USMP_SEQ_END - (uint32_t)(value & 3) - 3 : (uint32_t)(value & 127)); break;
      case 10: give(!from, packet, packet->len ? value % packet->len : 0, now); break; /* cut off */
      default:
        if (value == 1) usmp_conn_close(conn, USMP_ERR_CLOSED, now);
        if (value == 2 && sides[from].config.kind != USMP_KIND_DATAGRAM) usmp_conn_transport_ended(conn, 0);
        break;
    }
    for (int i = 0; i < 2; i++) {
      size_t len = fuzz_drain(&sides[i], newest, now);
      if (len) keep(i, newest, len);
      fuzz_check(&sides[i]);
    }
  }
  return 0;
}
