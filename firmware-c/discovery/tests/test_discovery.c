/* Finding each other: the vectors, who gets an answer, what a searcher believes, on a clock that the tests lead; and both ends over
   sockets of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery_port.h"
#include "discovery_vectors.h"
#include "mdns_responder.h"
#include "usmp_port.h"

static const uint8_t nonce[USMP_DISCOVERY_NONCE_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
static const usmp_discovery_address_t near = {{192, 168, 1, 20}, 40000};

static const usmp_discovery_offer_t a_device = {
  .role = USMP_DISCOVERY_DEVICE, .instance = {0x8f, 0x3a}, .carrier_count = 1, .carriers = {{USMP_CARRIER_UDP, 9000}}};
static const usmp_discovery_offer_t a_gateway = {.role = USMP_DISCOVERY_GATEWAY,
                                                 .join_open = true,
                                                 .instance = {1, 2},
                                                 .carrier_count = 2,
                                                 .carriers = {{USMP_CARRIER_TCP, 9000}, {USMP_CARRIER_WS, 8080}},
                                                 .site = "home",
                                                 .path = "/usmp"};

static void vector_failed(const char *id)
{
  print_error("case %.*s does not hold\n", (int)strcspn(id, "\n"), id);
}

static void vectors(void **state)
{
  (void)state;
  assert_int_equal(run_discovery_vectors(vector_failed), DISCOVERY_VECTOR_COUNT);
}

/* ---- what cannot be said ---- */

static bool can_be_written(const usmp_discovery_offer_t *offer)
{
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];
  int len = usmp_discovery_write_answer(answer, nonce, offer);
  assert_true(len > 0 ? len <= USMP_DISCOVERY_ANSWER_MAX : len == USMP_ERR_INVALID_ARGUMENT);
  return len > 0;
}

static void offers(void **state)
{
  (void)state;
  usmp_discovery_offer_t offer = a_gateway;
  assert_true(can_be_written(&offer));
  memset(offer.site, 'x', sizeof offer.site); /* no zero at its end */
  assert_false(can_be_written(&offer));
  strcpy(offer.site, "h\xc3\xb6");
  assert_false(can_be_written(&offer));
  offer = a_gateway;
  strcpy(offer.path, "usmp");
  assert_false(can_be_written(&offer));
  offer = a_gateway;
  offer.has_device_id = true;
  assert_false(can_be_written(&offer));
  offer = a_gateway;
  offer.carriers[1].kind = USMP_CARRIER_TCP; /* twice */
  assert_false(can_be_written(&offer));
  offer = a_gateway;
  offer.carriers[0].port = 0;
  assert_false(can_be_written(&offer));
  offer = a_gateway;
  offer.carrier_count = 6;
  assert_false(can_be_written(&offer));
  offer = a_device;
  offer.join_open = true;
  assert_false(can_be_written(&offer));
  offer = a_device;
  strcpy(offer.site, "home");
  assert_false(can_be_written(&offer));
  offer = a_device;
  offer.role = 3;
  assert_false(can_be_written(&offer));
}

static void the_longest_answer_is_shorter_than_a_query(void **state)
{
  usmp_discovery_offer_t offer = {.role = USMP_DISCOVERY_GATEWAY, .carrier_count = 5};

  (void)state;
  for (uint8_t i = 0; i < 5; i++) offer.carriers[i] = (usmp_discovery_carrier_t){(uint8_t)(i + 1), 65535};
  memset(offer.site, 's', USMP_DISCOVERY_MAX_SITE);
  memset(offer.path, '/', USMP_DISCOVERY_MAX_PATH);
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];
  assert_int_equal(usmp_discovery_write_answer(answer, nonce, &offer), USMP_DISCOVERY_ANSWER_MAX - USMP_DEVICE_ID_LEN);
  assert_true(USMP_DISCOVERY_ANSWER_MAX < USMP_DISCOVERY_QUERY_SIZE);
}

/* ---- who answers ---- */

static usmp_discovery_responder_t responder;

static int new_responder(void **state)
{
  (void)state;
  return usmp_discovery_init_responder(&responder, &a_device);
}

static size_t asks(const usmp_discovery_address_t *from, unsigned wanted, uint32_t now)
{
  uint8_t query[USMP_DISCOVERY_QUERY_SIZE], answer[USMP_DISCOVERY_ANSWER_MAX];
  usmp_discovery_offer_t offer;

  assert_int_equal(usmp_discovery_write_query(query, nonce, wanted), 0);
  size_t len = usmp_discovery_respond(&responder, from, query, sizeof query, now, answer);
  if (len > 0) {
    assert_int_equal(usmp_discovery_read_answer(answer, len, &offer), 0);
    assert_memory_equal(answer + USMP_DISCOVERY_NONCE_OFFSET, nonce, sizeof nonce);
  }
  return len;
}

static void answers_who_wants_its_role(void **state)
{
  (void)state;
  assert_true(asks(&near, USMP_DISCOVERY_DEVICE, 0) > 0);
  assert_true(asks(&near, USMP_DISCOVERY_DEVICE | USMP_DISCOVERY_GATEWAY, 0) > 0);
  assert_int_equal(asks(&near, USMP_DISCOVERY_GATEWAY, 0), 0);
}

static void is_silent_for_what_is_no_query(void **state)
{
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX], bytes[USMP_DISCOVERY_QUERY_SIZE + 1];

  (void)state;
  assert_int_equal(usmp_discovery_write_query(bytes, nonce, USMP_DISCOVERY_DEVICE), 0);
  assert_int_equal(usmp_discovery_respond(&responder, &near, bytes, sizeof bytes - 2, 0, answer), 0);
  assert_int_equal(usmp_discovery_respond(&responder, &near, bytes, sizeof bytes, 0, answer), 0);
  /* An answer is no query, so two responders cannot talk to each other. */
  int len = usmp_discovery_write_answer(answer, nonce, &a_device);
  memcpy(bytes, answer, (size_t)len);
  assert_int_equal(usmp_discovery_respond(&responder, &near, bytes, (size_t)len, 0, answer), 0);
  for (size_t i = 0; i < sizeof bytes - 1; i++) {
    if (i >= USMP_DISCOVERY_NONCE_OFFSET && i < USMP_DISCOVERY_NONCE_OFFSET + USMP_DISCOVERY_NONCE_SIZE) continue;
    assert_int_equal(usmp_discovery_write_query(bytes, nonce, USMP_DISCOVERY_DEVICE), 0);
    bytes[i] ^= 0x80;
    assert_int_equal(usmp_discovery_respond(&responder, &near, bytes, USMP_DISCOVERY_QUERY_SIZE, 0, answer), 0);
  }
}

static void is_silent_for_far_addresses(void **state)
{
  static const struct {
    uint8_t ip[4];
    bool near;
  } cases[] = {{{10, 255, 0, 1}, true},      {{11, 0, 0, 1}, false},   {{172, 16, 0, 1}, true},  {{172, 31, 255, 255}, true},
               {{172, 15, 0, 1}, false},     {{172, 32, 0, 1}, false}, {{192, 168, 0, 1}, true}, {{192, 169, 0, 1}, false},
               {{169, 254, 1, 1}, true},     {{127, 0, 0, 1}, true},   {{8, 8, 8, 8}, false},    {{0, 0, 0, 0}, false},
               {{255, 255, 255, 255}, false}};

  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    usmp_discovery_address_t from = {.port = 1};
    memcpy(from.ip, cases[i].ip, sizeof from.ip);
    assert_int_equal(asks(&from, USMP_DISCOVERY_DEVICE, (uint32_t)i * 1000) > 0, cases[i].near);
  }
}

static unsigned answers_of(const usmp_discovery_address_t *from, unsigned questions, uint32_t now)
{
  unsigned answers = 0;
  while (questions-- > 0) answers += asks(from, USMP_DISCOVERY_DEVICE, now) > 0;
  return answers;
}

static void five_answers_a_second_for_an_address(void **state)
{
  usmp_discovery_address_t other_port = near, other = {{192, 168, 1, 21}, 1};
  uint32_t now = UINT32_MAX - 500; /* the clock wraps meanwhile */

  (void)state;
  other_port.port++;
  assert_int_equal(answers_of(&near, 100, now), USMP_DISCOVERY_RATE);
  assert_int_equal(answers_of(&other_port, 100, now + 999), 0);
  assert_int_equal(answers_of(&other, 100, now + 999), USMP_DISCOVERY_RATE);
  assert_int_equal(answers_of(&near, 100, now + 1000), USMP_DISCOVERY_RATE);
}

/* Forged senders: whatever their number, the answers stay few, and the table stays as it is. */
static void a_flood_from_all_addresses(void **state)
{
  unsigned answers = 0;

  (void)state;
  for (unsigned i = 0; i < 65536; i++) {
    usmp_discovery_address_t from = {{10, 0, (uint8_t)(i >> 8), (uint8_t)i}, 1};
    answers += answers_of(&from, 1, 100 + i / 100);
  }
  assert_true(answers > 0 && answers <= USMP_DISCOVERY_RATE_ALL);
  assert_true(answers_of(&near, 1, 60000) == 1);
}

/* ---- who searches ---- */

static usmp_discovery_searcher_t searcher;
static uint8_t next_random;
static bool random_works = true;

static int a_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  for (size_t i = 0; i < len; i++) out[i] = next_random++;
  return random_works ? 0 : -1;
}

static const usmp_discovery_wish_t everybody = {.roles = USMP_DISCOVERY_GATEWAY | USMP_DISCOVERY_DEVICE, .random = a_random};

static int new_searcher(void **state)
{
  (void)state;
  return usmp_discovery_init_searcher(&searcher, &everybody, 0);
}

static uint8_t last_query[USMP_DISCOVERY_QUERY_SIZE];

static bool queries(uint32_t now)
{
  int len = usmp_discovery_query_due(&searcher, now, last_query);
  assert_true(len == 0 || len == USMP_DISCOVERY_QUERY_SIZE);
  return len > 0;
}

static int hears(const usmp_discovery_address_t *from, const usmp_discovery_offer_t *offer, uint32_t now)
{
  uint8_t answer[USMP_DISCOVERY_ANSWER_MAX];
  int len = usmp_discovery_write_answer(answer, last_query + USMP_DISCOVERY_NONCE_OFFSET, offer);
  assert_true(len > 0);
  return usmp_discovery_note_answer(&searcher, from, answer, (size_t)len, now);
}

static void queries_at_once_then_in_pauses(void **state)
{
  uint32_t at[5], now = 0;

  (void)state;
  for (size_t i = 0; i < 5; i++) {
    while (!queries(now)) {
      assert_true(usmp_discovery_query_due_in(&searcher, now) > 0);
      now++;
    }
    at[i] = now;
    assert_false(queries(now));
  }
  const uint32_t expected[5] = {0, 250, 1000, 6000, 11000};
  assert_memory_equal(at, expected, sizeof at);
  usmp_discovery_restart_search(&searcher, now);
  assert_int_equal(usmp_discovery_query_due_in(&searcher, now), 0);
  assert_true(queries(now));
  assert_int_equal(usmp_discovery_query_due_in(&searcher, now), 250);
}

static void a_new_nonce_each_time_and_none_without_randomness(void **state)
{
  uint8_t first[USMP_DISCOVERY_QUERY_SIZE], query[USMP_DISCOVERY_QUERY_SIZE];

  (void)state;
  assert_int_equal(usmp_discovery_query_due(&searcher, 0, first), sizeof first);
  assert_int_equal(usmp_discovery_query_due(&searcher, 250, query), sizeof query);
  assert_memory_not_equal(first, query, sizeof query);
  random_works = false;
  int err = usmp_discovery_query_due(&searcher, 1000, query);
  random_works = true;
  assert_int_equal(err, USMP_ERR_RANDOM_FAILED);
}

static void believes_answers_to_its_last_two_queries(void **state)
{
  uint8_t before[USMP_DISCOVERY_QUERY_SIZE];

  (void)state;
  memset(last_query, 0, sizeof last_query);
  assert_int_equal(hears(&near, &a_device, 0), USMP_ERR_UNEXPECTED_PACKET); /* nobody was asked */
  assert_true(queries(0));
  memcpy(before, last_query, sizeof before);
  assert_int_equal(hears(&near, &a_device, 1), 0);
  assert_true(queries(250));
  uint8_t after[USMP_DISCOVERY_QUERY_SIZE];
  memcpy(after, last_query, sizeof after);
  memcpy(last_query, before, sizeof before);
  assert_int_equal(hears(&near, &a_device, 251), 0); /* under way */
  memcpy(last_query, after, sizeof after);
  assert_true(queries(1000));
  memcpy(last_query, before, sizeof before);
  assert_int_equal(hears(&near, &a_gateway, 1001), USMP_ERR_UNEXPECTED_PACKET); /* two queries ago */
  last_query[USMP_DISCOVERY_NONCE_OFFSET] ^= 1;
  assert_int_equal(hears(&near, &a_gateway, 1001), USMP_ERR_UNEXPECTED_PACKET); /* a guess */
  assert_int_equal(searcher.count, 1);
  assert_int_equal(searcher.found[0].seen, 251);
}

static void takes_what_was_wished(void **state)
{
  usmp_discovery_wish_t wish = {.roles = USMP_DISCOVERY_GATEWAY, .site = "home", .random = a_random};
  usmp_discovery_offer_t other = a_gateway;

  (void)state;
  strcpy(other.site, "office");
  assert_int_equal(usmp_discovery_init_searcher(&searcher, &wish, 0), 0);
  assert_true(queries(0));
  assert_int_equal(hears(&near, &a_device, 0), USMP_ERR_UNEXPECTED_PACKET);
  assert_int_equal(hears(&near, &other, 0), USMP_ERR_UNEXPECTED_PACKET);
  assert_int_equal(hears(&near, &a_gateway, 0), 0);
  wish.not_own = a_gateway.instance;
  assert_int_equal(usmp_discovery_init_searcher(&searcher, &wish, 0), 0);
  assert_true(queries(0));
  assert_int_equal(hears(&near, &a_gateway, 0), USMP_ERR_UNEXPECTED_PACKET);
  wish.roles = 0;
  assert_int_equal(usmp_discovery_init_searcher(&searcher, &wish, 0), USMP_ERR_INVALID_ARGUMENT);
}

static void nobody_changes_what_another_one_said(void **state)
{
  usmp_discovery_address_t liar = {{192, 168, 1, 66}, 9001};
  usmp_discovery_offer_t changed = a_gateway, closed = a_gateway;

  (void)state;
  changed.carriers[0].port = 6666;
  closed.join_open = false;
  assert_true(queries(0));
  assert_int_equal(hears(&near, &a_gateway, 1), 0);
  searcher.found[0].mark = 7;
  assert_int_equal(hears(&liar, &a_gateway, 2), 1); /* the same words from elsewhere */
  assert_int_equal(hears(&near, &changed, 3), 2);   /* other words from there */
  assert_int_equal(hears(&near, &closed, 4), 0);    /* the join window may close */
  assert_false(searcher.found[0].offer.join_open);
  assert_int_equal(searcher.found[0].mark, 7);
  assert_int_equal(searcher.found[1].mark, 0);
  assert_int_equal(usmp_discovery_port_of(&searcher.found[0].offer, USMP_CARRIER_TCP), 9000);
  assert_memory_equal(searcher.found[0].address.ip, near.ip, 4);
  assert_int_equal(searcher.count, 3);
}

static void a_flood_of_answers_leaves_room(void **state)
{
  usmp_discovery_offer_t offer = a_device;

  (void)state;
  assert_true(queries(0));
  assert_int_equal(hears(&near, &a_gateway, 0), 0);
  for (unsigned i = 0; i < 1000; i++) { /* one liar with many names */
    usmp_discovery_address_t liar = {{192, 168, 1, 66}, 9001};
    usmp_store16(offer.instance, (uint16_t)i);
    int index = hears(&liar, &offer, i);
    assert_int_equal(index, i < USMP_DISCOVERY_MAX_FOUND_PER_IP ? (int)i + 1 : USMP_ERR_QUEUE_FULL);
  }
  for (unsigned i = 0; i < 1000; i++) { /* and with many addresses */
    usmp_discovery_address_t liar = {{192, 168, (uint8_t)(2 + i / 250), (uint8_t)i}, 9001};
    (void)hears(&liar, &a_device, i);
  }
  assert_int_equal(searcher.count, USMP_DISCOVERY_MAX_FOUND);
  assert_int_equal(searcher.found[0].offer.role, USMP_DISCOVERY_GATEWAY); /* what was there stays */
}

static void drops_who_misses_two_queries(void **state)
{
  usmp_discovery_address_t other = {{10, 0, 0, 1}, 9001};

  (void)state;
  assert_true(queries(0));
  assert_int_equal(hears(&near, &a_device, 0), 0);
  assert_int_equal(hears(&other, &a_gateway, 0), 1);
  assert_true(queries(250));
  assert_true(queries(1000));
  assert_int_equal(searcher.count, 2); /* the second query may still be answered */
  assert_int_equal(hears(&other, &a_gateway, 1100), 1);
  assert_true(queries(6000));
  assert_int_equal(searcher.count, 1);
  assert_int_equal(searcher.found[0].offer.role, USMP_DISCOVERY_GATEWAY);
  usmp_discovery_forget(&searcher, 1); /* no such one */
  assert_int_equal(searcher.count, 1);
  usmp_discovery_forget(&searcher, 0);
  assert_int_equal(searcher.count, 0);
}

/* ---- mDNS ---- */

/* "v=2 r=d": items with a space between. */
static int reads_txt(const char *text, usmp_discovery_offer_t *offer)
{
  usmp_discovery_txt_reader_t reader;

  usmp_discovery_begin_txt(&reader, 7000);
  while (*text) {
    size_t len = strcspn(text, " "), key_len = strcspn(text, "=");
    usmp_discovery_read_txt(&reader, text, key_len, text + key_len + 1, len - key_len - 1);
    text += len + (text[len] == ' ');
  }
  return usmp_discovery_end_txt(&reader, offer);
}

static bool say_the_same(const usmp_discovery_offer_t *a, const usmp_discovery_offer_t *b)
{
  uint8_t answers[2][USMP_DISCOVERY_ANSWER_MAX];
  int len = usmp_discovery_write_answer(answers[0], nonce, a);
  return len > 0 && usmp_discovery_write_answer(answers[1], nonce, b) == len &&
         memcmp(answers[0], answers[1], (size_t)len) == 0;
}

static void txt_records_there_and_back(void **state)
{
  usmp_discovery_offer_t longest = {.role = USMP_DISCOVERY_GATEWAY, .join_open = true, .carrier_count = 5};
  usmp_discovery_offer_t with_id = a_device;

  (void)state;
  for (uint8_t i = 0; i < 5; i++) longest.carriers[i] = (usmp_discovery_carrier_t){(uint8_t)(i + 1), 65535};
  memset(longest.site, 's', USMP_DISCOVERY_MAX_SITE);
  memset(longest.path, '/', USMP_DISCOVERY_MAX_PATH);
  with_id.has_device_id = true;
  memset(with_id.device_id, 0xa5, sizeof with_id.device_id);
  const usmp_discovery_offer_t *offers_of_all_kinds[] = {&a_device, &a_gateway, &longest, &with_id};
  for (size_t i = 0; i < 4; i++) {
    usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT];
    char text[256] = "";
    usmp_discovery_offer_t read;
    size_t count = usmp_discovery_write_txt(offers_of_all_kinds[i], items), record = 0;
    assert_true(count >= 3);
    for (size_t k = 0; k < count; k++) {
      size_t len = strlen(text);
      snprintf(text + len, sizeof text - len, "%s%s=%s", k > 0 ? " " : "", items[k].key, items[k].value);
      record += 1 + strlen(items[k].key) + 1 + strlen(items[k].value);
    }
    assert_true(record <= 200);
    assert_int_equal(reads_txt(text, &read), 0);
    assert_true(say_the_same(&read, offers_of_all_kinds[i]));
  }
  usmp_discovery_offer_t bad = a_device;
  usmp_discovery_txt_t items[USMP_DISCOVERY_MAX_TXT];
  bad.join_open = true;
  assert_int_equal(usmp_discovery_write_txt(&bad, items), 0);
}

static void txt_records_of_strangers(void **state)
{
  static const char *const wrong[] = {"",
                                      "v=2 r=d",
                                      "v=2 n=8f3a",
                                      "r=d n=8f3a",
                                      "v=1 r=d n=8f3a",
                                      "v=2 r=x n=8f3a",
                                      "v=2 r=d n=8F3A",
                                      "v=2 r=d n=8f3",
                                      "v=2 r=d n=8f3a0",
                                      "v=2 r=d n=8f3a s=home",
                                      "v=2 r=d n=8f3a j=1",
                                      "v=2 r=g n=8f3a j=2",
                                      "v=2 r=g n=8f3a id=a5a5a5a5a5a5",
                                      "v=2 r=d n=8f3a id=a5a5",
                                      "v=2 r=d n=8f3a t=",
                                      "v=2 r=d n=8f3a t=udp:",
                                      "v=2 r=d n=8f3a t=udp:0",
                                      "v=2 r=d n=8f3a t=udp:65536",
                                      "v=2 r=d n=8f3a t=udp:090",
                                      "v=2 r=d n=8f3a t=udp:9000,",
                                      "v=2 r=d n=8f3a t=,udp:9000",
                                      "v=2 r=d n=8f3a t=udp:9000,tcp:9000",
                                      "v=2 r=d n=8f3a t=udp:1,udp:2",
                                      "v=2 r=d n=8f3a t=tcp,udp,ws,mqtt,wss,tcp",
                                      "v=2 r=d n=8f3a t=sctp:9000",
                                      "v=2 r=g n=8f3a w=usmp",
                                      "v=2 r=g n=8f3a s=h.m",
                                      "v=2 r=g n=8f3a s=123456789012345678901234567890123"};
  usmp_discovery_offer_t offer;

  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(reads_txt(wrong[i], &offer), USMP_ERR_BAD_PAYLOAD);
  /* Unknown keys mean nothing, of one that comes twice the first counts, and a kind without a port has that of the SRV record. */
  assert_int_equal(reads_txt("x=1 v=2 r=d n=\x01 n=8f3a t=tcp,udp:9000 n=xxxx", &offer), 0);
  assert_int_equal(usmp_discovery_port_of(&offer, USMP_CARRIER_TCP), 7000);
  assert_int_equal(usmp_discovery_port_of(&offer, USMP_CARRIER_UDP), 9000);
  assert_int_equal(usmp_discovery_port_of(&offer, USMP_CARRIER_WS), 0);
  char longest[256] = "v=2 r=d n=8f3a x="; /* 4 entries: with their length bytes one more than this text */
  memset(longest + strlen(longest), 'x', 199 - strlen(longest));
  assert_int_equal(reads_txt(longest, &offer), 0);
  strcat(longest, "x"); /* 201 bytes in a record */
  assert_int_equal(reads_txt(longest, &offer), USMP_ERR_BAD_PAYLOAD);
}

/* Of the responder that the tests have. */
static void questions_of_strangers(void **state)
{
  static const char query[] = "\0\0\0\0\0\2\0\0\0\0\0\0"
                              "\4_xyz\4_udp\5local\0"
                              "\0\14\0\1"
                              "\14_usmp-DEVICE\300\21"
                              "\0\14\200\1";
  static const char loop[] = "\0\0\0\0\0\1\0\0\0\0\0\0"
                             "\300\14"
                             "\0\14\0\1";
  uint8_t bytes[sizeof query];

  (void)state;
  memcpy(bytes, query, sizeof bytes);
  size_t len = sizeof query - 1;
  assert_true(mdns_asks_for(bytes, len, "_usmp-device._udp.local", "i", "h"));
  assert_false(mdns_asks_for(bytes, len, "_usmp._udp.local", "i", "h"));
  bytes[2] = 0x84; /* a response */
  assert_false(mdns_asks_for(bytes, len, "_usmp-device._udp.local", "i", "h"));
  bytes[2] = 0;
  for (size_t cut = 0; cut < len; cut++) assert_false(mdns_asks_for(bytes, cut, "_usmp-device._udp.local", "i", "h"));
  assert_false(mdns_asks_for((const uint8_t *)loop, sizeof loop - 1, "", "i", "h"));
}

/* ---- addresses ---- */

static void addresses_as_text(void **state)
{
  static const char *const good[] = {"0.0.0.0", "1.20.255.9", "255.255.255.255"};
  static const char *const wrong[] = {"",          "1",          "1.2.3",   "1.2.3.",   "1.2.3.256",
                                      "1.2.3.4.5", "1.2.3.1234", "a.b.c.d", "1.2.3.4 ", "-1.2.3.4"};
  uint8_t ip[4];
  char text[USMP_DISCOVERY_IP_TEXT];

  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(usmp_discovery_parse_ip(good[i], ip), 0);
    usmp_discovery_format_ip(ip, text);
    assert_string_equal(text, good[i]);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(usmp_discovery_parse_ip(wrong[i], ip), USMP_ERR_INVALID_ARGUMENT);
  }
}

/* ---- both ends over the sockets of this machine ---- */

/* A port that is free now; 0: there is none. */
static uint16_t open_responder(usmp_discovery_socket_t *s)
{
  for (uint16_t port = 29001; port < 29100; port++) {
    if (usmp_discovery_open(s, port) == 0) return port;
  }
  return 0;
}

static void find_each_other(const usmp_discovery_address_t *hosts, size_t host_count)
{
  usmp_discovery_socket_t here, there;
  usmp_discovery_wish_t wish = {.roles = USMP_DISCOVERY_DEVICE, .random = a_random};

  uint16_t port = open_responder(&there);
  assert_true(port > 0);
  assert_int_equal(usmp_discovery_open(&here, 0), 0);
  assert_int_equal(usmp_discovery_init_searcher(&searcher, &wish, usmp_port_millis()), 0);
  usmp_discovery_address_t unicast = {.port = port};
  if (hosts) memcpy(unicast.ip, hosts->ip, sizeof unicast.ip);
  for (int i = 0; i < 200 && searcher.count == 0; i++) {
    assert_true(usmp_discovery_search(&here, &searcher, port, hosts ? &unicast : NULL, host_count, 10) >= 0);
    (void)usmp_discovery_serve(&there, &responder, 10);
  }
  usmp_discovery_close(&here);
  usmp_discovery_close(&there);
  assert_true(searcher.count > 0);
  assert_memory_equal(searcher.found[0].offer.instance, a_device.instance, sizeof a_device.instance);
  assert_int_equal(usmp_discovery_port_of(&searcher.found[0].offer, USMP_CARRIER_UDP), 9000);
}

static void by_broadcast_or_group(void **state)
{
  (void)state;
  find_each_other(NULL, 0);
}

static void by_the_address_of_a_host(void **state)
{
  const usmp_discovery_address_t host = {{127, 0, 0, 1}, 0};
  (void)state;
  find_each_other(&host, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(vectors),
    cmocka_unit_test(offers),
    cmocka_unit_test(the_longest_answer_is_shorter_than_a_query),
    cmocka_unit_test_setup(answers_who_wants_its_role, new_responder),
    cmocka_unit_test_setup(is_silent_for_what_is_no_query, new_responder),
    cmocka_unit_test_setup(is_silent_for_far_addresses, new_responder),
    cmocka_unit_test_setup(five_answers_a_second_for_an_address, new_responder),
    cmocka_unit_test_setup(a_flood_from_all_addresses, new_responder),
    cmocka_unit_test_setup(queries_at_once_then_in_pauses, new_searcher),
    cmocka_unit_test_setup(a_new_nonce_each_time_and_none_without_randomness, new_searcher),
    cmocka_unit_test_setup(believes_answers_to_its_last_two_queries, new_searcher),
    cmocka_unit_test_setup(takes_what_was_wished, new_searcher),
    cmocka_unit_test_setup(nobody_changes_what_another_one_said, new_searcher),
    cmocka_unit_test_setup(a_flood_of_answers_leaves_room, new_searcher),
    cmocka_unit_test_setup(drops_who_misses_two_queries, new_searcher),
    cmocka_unit_test(txt_records_there_and_back),
    cmocka_unit_test(txt_records_of_strangers),
    cmocka_unit_test(questions_of_strangers),
    cmocka_unit_test(addresses_as_text),
    cmocka_unit_test_setup(by_broadcast_or_group, new_responder),
    cmocka_unit_test_setup(by_the_address_of_a_host, new_responder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
