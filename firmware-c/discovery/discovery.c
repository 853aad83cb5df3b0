#include <string.h>

#include "discovery_port.h"
#include "usmp_port.h"

/* In one call, so that a flood does not hold up the caller. */
#define MOST_DATAGRAMS 16

/* A byte more than any message has: so what is longer is seen to be longer, and is dropped. */
#define ROOM (USMP_DISCOVERY_QUERY_SIZE + 1)

int usmp_discovery_serve(usmp_discovery_socket_t *s, usmp_discovery_responder_t *responder, uint32_t wait_ms)
{
  uint8_t query[ROOM], answer[USMP_DISCOVERY_ANSWER_MAX];
  usmp_discovery_address_t from;
  uint32_t begin = usmp_port_millis();
  int answered = 0;

  for (int i = 0; i < MOST_DATAGRAMS; i++) {
    uint32_t elapsed = usmp_port_millis() - begin;
    size_t len = usmp_discovery_receive(s, &from, query, sizeof query, elapsed < wait_ms ? wait_ms - elapsed : 0);
    if (len == 0) break;
    size_t answer_len = usmp_discovery_respond(responder, &from, query, len, usmp_port_millis(), answer);
    if (answer_len > 0 && usmp_discovery_send(s, &from, answer, answer_len) == 0) answered++;
  }
  return answered;
}

/* Returns how many datagrams left; 0: no query was due; less than zero: it failed. */
static int send_query(usmp_discovery_socket_t *s, usmp_discovery_searcher_t *searcher, uint16_t query_port,
                      const usmp_discovery_address_t *hosts, size_t host_count)
{
  uint8_t query[USMP_DISCOVERY_QUERY_SIZE];
  int len = usmp_discovery_query_due(searcher, usmp_port_millis(), query);

  if (len <= 0) return len;
  int sent = usmp_discovery_send_to_all(s, query_port, query, sizeof query);
  for (size_t i = 0; i < host_count; i++) {
    if (usmp_discovery_send(s, &hosts[i], query, sizeof query) == 0) sent++;
  }
  return sent > 0 ? sent : USMP_ERR_UNREACHABLE;
}

/* From the neighbourhood, or from somebody who was asked by address: an answer of anybody else would send us to any place in the world. */
static bool may_answer(const usmp_discovery_address_t *from, const usmp_discovery_address_t *hosts, size_t host_count)
{
  if (usmp_discovery_is_near(from->ip)) return true;
  for (size_t i = 0; i < host_count; i++) {
    if (memcmp(hosts[i].ip, from->ip, sizeof from->ip) == 0) return true;
  }
  return false;
}

int usmp_discovery_search(usmp_discovery_socket_t *s, usmp_discovery_searcher_t *searcher, uint16_t query_port,
                          const usmp_discovery_address_t *hosts, size_t host_count, uint32_t wait_ms)
{
  uint8_t answer[ROOM];
  usmp_discovery_address_t from;
  uint32_t begin = usmp_port_millis();
  int noted = 0;

  int err = send_query(s, searcher, query_port, hosts, host_count);
  if (err < 0) return err;
  for (int i = 0; i < MOST_DATAGRAMS; i++) {
    uint32_t elapsed = usmp_port_millis() - begin;
    size_t len = usmp_discovery_receive(s, &from, answer, sizeof answer, elapsed < wait_ms ? wait_ms - elapsed : 0);
    if (len == 0) break;
    if (!may_answer(&from, hosts, host_count)) continue;
    if (usmp_discovery_note_answer(searcher, &from, answer, len, usmp_port_millis()) >= 0) noted++;
  }
  return noted;
}

/* ---- addresses as text ---- */

void usmp_discovery_format_ip(const uint8_t ip[4], char text[USMP_DISCOVERY_IP_TEXT])
{
  for (int i = 0; i < 4; i++) {
    if (i > 0) *text++ = '.';
    if (ip[i] >= 100) *text++ = (char)('0' + ip[i] / 100);
    if (ip[i] >= 10) *text++ = (char)('0' + ip[i] / 10 % 10);
    *text++ = (char)('0' + ip[i] % 10);
  }
  *text = 0;
}

/* A number from 0 to 255 of at most three digits; null: there is none. */
static const char *parse_byte(const char *text, uint8_t *out)
{
  unsigned n = 0;
  int digits = 0;

  for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++) n = n * 10 + (unsigned)(*text - '0');
  *out = (uint8_t)n;
  return digits > 0 && n <= UINT8_MAX ? text : NULL;
}

int usmp_discovery_parse_ip(const char *text, uint8_t ip[4])
{
  for (int i = 0; i < 4; i++) {
    if (i > 0 && *text++ != '.') return USMP_ERR_INVALID_ARGUMENT;
    text = parse_byte(text, &ip[i]);
    if (!text) return USMP_ERR_INVALID_ARGUMENT;
  }
  return *text == 0 ? USMP_OK : USMP_ERR_INVALID_ARGUMENT;
}
