#include "usmp/arq.h"

#include <string.h>

#include "usmp/errors.h"

#define FIRST_RTO_MS 500
#define MIN_RTO_MS 100
#define MAX_RTO_MS 5000
#define MAX_HANDSHAKE_RTO_MS 1000 /* its steps have little time */

static uint16_t clamp_rto(uint32_t ms)
{
  if (ms < MIN_RTO_MS) return MIN_RTO_MS;
  return ms > MAX_RTO_MS ? MAX_RTO_MS : (uint16_t)ms;
}

void usmp_arq_init(usmp_arq_t *arq)
{
  memset(arq, 0, sizeof *arq);
  arq->rto = FIRST_RTO_MS;
}

void usmp_arq_sent(usmp_arq_t *arq, uint32_t now)
{
  if (arq->sends == 0) arq->first_sent_at = now;
  arq->sent_at = now;
  if (arq->sends < 2) arq->sends++;
  arq->resend = false;
}

void usmp_arq_acked(usmp_arq_t *arq, uint32_t now)
{
  if (arq->sends == 1) { /* Karn: which of several sends was acknowledged cannot be known */
    uint32_t sample = now - arq->sent_at;
    uint32_t srtt = arq->srtt;
    uint32_t rttvar = arq->rttvar;
    if (sample > MAX_RTO_MS) sample = MAX_RTO_MS;
    if (srtt == 0) {
      srtt = sample ? sample : 1;
      rttvar = sample / 2;
    } else {
      rttvar = (3 * rttvar + (sample > srtt ? sample - srtt : srtt - sample)) / 4;
      srtt = (7 * srtt + sample) / 8;
    }
    arq->srtt = (uint16_t)srtt;
    arq->rttvar = (uint16_t)rttvar;
    arq->rto = clamp_rto(srtt + 4 * rttvar);
  }
  arq->sends = 0;
  arq->resend = false;
}

uint32_t usmp_arq_wait(const usmp_arq_t *arq, uint32_t now)
{
  if (arq->sends == 0 || arq->resend) return UINT32_MAX;
  uint32_t elapsed = now - arq->sent_at;
  return elapsed >= arq->rto ? 0 : arq->rto - elapsed;
}

void usmp_arq_lost(usmp_arq_t *arq, bool handshake)
{
  uint32_t limit = handshake ? MAX_HANDSHAKE_RTO_MS : MAX_RTO_MS;
  uint32_t doubled = 2u * arq->rto;

  if (doubled > limit) doubled = limit;
  if (doubled > arq->rto) arq->rto = (uint16_t)doubled;
  arq->resend = true;
}

bool usmp_arq_last_chance(usmp_arq_t *arq)
{
  bool first = arq->sends < 3;
  arq->sends = 3;
  return first;
}

int usmp_utack_build(const usmp_crypto_t *crypto, const uint8_t *key, uint32_t type, uint32_t seq,
                     uint8_t out[USMP_UTACK_MAX_SIZE])
{
  uint8_t mac[USMP_MAC_SIZE];

  out[0] = out[1] = 0xAC;
  out[2] = (uint8_t)type;
  usmp_store32(out + 3, seq);
  if (!key || type < USMP_TYPE_DATA) return USMP_UTACK_SIZE;
  int err = usmp_hmac_sha256(crypto, key, USMP_KEY_SIZE, out, USMP_UTACK_SIZE, mac);
  if (err != USMP_OK) return err;
  memcpy(out + USMP_UTACK_SIZE, mac, USMP_UTACK_MAC_SIZE);
  return USMP_UTACK_MAX_SIZE;
}

bool usmp_utack_is(const uint8_t *datagram, size_t len)
{
  return len >= USMP_UTACK_SIZE && datagram[0] == 0xAC && datagram[1] == 0xAC;
}

bool usmp_utack_proves(const usmp_crypto_t *crypto, const uint8_t *key, uint32_t type, uint32_t seq, const uint8_t *datagram,
                       size_t len)
{
  uint8_t expected[USMP_UTACK_MAX_SIZE];

  if (!key && type >= USMP_TYPE_DATA && type != USMP_TYPE_HELLO_RETRY) return false;
  int expected_len = usmp_utack_build(crypto, key, type, seq, expected);
  return expected_len > 0 && len == (size_t)expected_len && usmp_equal(expected, datagram, len);
}
