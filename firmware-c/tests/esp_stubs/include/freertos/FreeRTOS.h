#ifndef STUB_FREERTOS_H
#define STUB_FREERTOS_H

#include <stdint.h>

typedef int BaseType_t;
typedef uint32_t TickType_t;
#define pdTRUE 1
#define portMAX_DELAY UINT32_MAX
#define configTICK_RATE_HZ 100u
#define pdMS_TO_TICKS(ms) ((TickType_t)(((uint64_t)(ms) * configTICK_RATE_HZ) / 1000u))

typedef struct {
  int owner;
} portMUX_TYPE;
#define portMUX_INITIALIZER_UNLOCKED {0}
void stub_enter_critical(portMUX_TYPE *mux);
void stub_exit_critical(portMUX_TYPE *mux);
#define portENTER_CRITICAL(mux) stub_enter_critical(mux)
#define portEXIT_CRITICAL(mux) stub_exit_critical(mux)

#endif
