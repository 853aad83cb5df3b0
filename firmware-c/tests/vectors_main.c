#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "vectors.h"

static int line_len(const char *text)
{
  return (int)strcspn(text, "\n");
}

static void failed(const char *topic, const char *id, const char *comment)
{
  printf("failed: %.*s %.*s: %.*s\n", line_len(topic), topic, line_len(id), id, line_len(comment), comment);
}

int main(void)
{
  if (!TEST_CRYPTO_INIT()) return 1;
  usmp_vector_count_t count = usmp_run_vectors(TEST_CRYPTO, failed);
  printf("vectors: %u passed, %u failed, %u left out\n", count.passed, count.failed, count.left_out);
  return count.failed || !count.passed;
}
