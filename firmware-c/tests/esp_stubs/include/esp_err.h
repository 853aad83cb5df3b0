/* Declarations in place of ESP-IDF's, in our own words: just what ports/esp_idf and its examples use, with the
   signatures of ESP-IDF 5 and 6. See tests/esp_stubs/README.md. */
#ifndef STUB_ESP_ERR_H
#define STUB_ESP_ERR_H

#include <stdlib.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_ERR_NOT_FOUND 0x105
#define ESP_ERROR_CHECK(call) \
  do {                        \
    if ((call) != ESP_OK) abort(); \
  } while (0)

#endif
