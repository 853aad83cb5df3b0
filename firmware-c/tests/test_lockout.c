/* Who is locked out, for how long, and who is not. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/lockout.h"

static void lockout_holds_the_pair_and_nobody_else(void **state)
{
  static const uint32_t seconds[] = {0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
  usmp_lockout_entry_t entries[3] = {0};
  usmp_lockout_t lockout = {entries, 3};
  usmp_peer_id_t peer = {{10, 0, 0, 1}, {1}};
  usmp_peer_id_t neighbour = {{10, 0, 0, 1}, {2}};
  uint32_t now = 0xFFFFFF00u;

  (void)state;
  for (unsigned i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
    usmp_lockout_failed(&lockout, &peer, now);
    assert_int_equal(usmp_lockout_holds(&lockout, &peer, now), seconds[i] > 0);
    if (seconds[i]) assert_true(usmp_lockout_holds(&lockout, &peer, now + seconds[i] * 1000 - 1));
    now += seconds[i] * 1000;
    assert_false(usmp_lockout_holds(&lockout, &peer, now));
    assert_false(usmp_lockout_holds(&lockout, &neighbour, now));
  }
  for (uint8_t i = 3; i < 100; i++) { /* the table is full of others: the newest stay */
    usmp_peer_id_t other = {{10, 0, 0, 2}, {i}};
    for (int n = 0; n < 5; n++) usmp_lockout_failed(&lockout, &other, now + i);
    assert_true(usmp_lockout_holds(&lockout, &other, now + i));
  }
  for (int i = 0; i < 5; i++) usmp_lockout_failed(&lockout, &peer, now);
  usmp_lockout_succeeded(&lockout, &peer);
  assert_false(usmp_lockout_holds(&lockout, &peer, now));
  for (int i = 0; i < 4; i++) usmp_lockout_failed(&lockout, &peer, now);
  usmp_lockout_failed(&lockout, &peer, now + 600000); /* the four are forgotten */
  assert_false(usmp_lockout_holds(&lockout, &peer, now + 600000));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(lockout_holds_the_pair_and_nobody_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
