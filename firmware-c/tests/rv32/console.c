#include "console.h"

#include "board.h"
#ifdef USMP_TEST_psa
#include "psa_board.h"
#endif

void console_init(void)
{
  board_init();
#ifdef USMP_TEST_psa
  psa_board_init();
#endif
}

void console_write(const char *text, size_t len)
{
  while (len > 0) {
    size_t n = board_uart_write((const uint8_t *)text, len);
    text += n;
    len -= n;
  }
}

void console_exit(int code)
{
  board_power_off(code);
}
