#ifndef STUB_TASK_H
#define STUB_TASK_H

#include "FreeRTOS.h"

typedef struct stub_task *TaskHandle_t;

void vTaskDelay(TickType_t ticks);

#endif
