/* The shared vectors on a machine without an operating system. */
#include <string.h>

#include "backend.h"
#include "console.h"
#include "vectors.h"

static void print(const char *text)
{
  console_write(text, strlen(text));
}

static void print_line_of(const char *text)
{
  console_write(text, strcspn(text, "\n"));
}

static void print_number(unsigned n)
{
  char digits[12];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
  console_write(digits + at, sizeof digits - at);
}

static void failed(const char *topic, const char *id, const char *comment)
{
  print("failed: ");
  print_line_of(topic);
  print(" ");
  print_line_of(id);
  print(": ");
  print_line_of(comment);
  print("\n");
}

int main(void)
{
  console_init();
  if (!TEST_CRYPTO_INIT()) console_exit(1);
  usmp_vector_count_t count = usmp_run_vectors(TEST_CRYPTO, failed);
  print("vectors: ");
  print_number(count.passed);
  print(" passed, ");
  print_number(count.failed);
  print(" failed, ");
  print_number(count.left_out);
  print(" left out\n");
  console_exit(count.failed > 0 || count.passed == 0);
}
