#ifndef STUB_TASK_H
#define STUB_TASK_H

#include "FreeRTOS.h"

void vTaskDelay(TickType_t ticks);

#endif
