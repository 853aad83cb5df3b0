/* The vectors of manifests with each crypto library that is here. With an argument: "key value" lines from that file instead, as
   tools/vectors_to_c.py writes them with --lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ota_test_crypto.h"
#include "ota_vectors.h"

static void failed(const char *topic, const char *id, const char *comment)
{
  (void)topic;
  printf("failed: %.*s: %.*s\n", (int)strcspn(id, "\n"), id, (int)strcspn(comment, "\n"), comment);
}

/* Never given back: the program is short. */
static char *read_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);

  if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) {
    fprintf(stderr, "%s cannot be read\n", path);
    exit(2);
  }
  fclose(file);
  return text;
}

int main(int argc, char **argv)
{
  const char *lines = argc > 2 ? read_file(argv[1]) : usmp_vectors;
  unsigned expected = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : OTA_VECTOR_COUNT;
  bool good = true;

  if (!ota_test_crypto_init()) return 2;
  for (size_t i = 0; i < ota_test_crypto_count; i++) {
    usmp_vector_count_t count = usmp_run_ota_vectors(lines, &ota_test_crypto[i].table, failed);
    printf("%s: %u passed, %u failed\n", ota_test_crypto[i].name, count.passed, count.failed);
    good = good && count.failed == 0 && count.passed == expected;
  }
  return good && ota_test_crypto_count > 0 ? 0 : 1;
}
