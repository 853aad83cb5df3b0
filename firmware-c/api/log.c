#include "usmp_port.h"

static usmp_log_level_t highest = USMP_LOG_LEVEL_INFO;

void usmp_set_log_level(usmp_log_level_t level)
{
  highest = level;
}

usmp_log_level_t usmp_get_log_level(void)
{
  return highest;
}

static usmp_log_level_t level_of(char level)
{
  switch (level) {
    case 'E': return USMP_LOG_LEVEL_ERROR;
    case 'W': return USMP_LOG_LEVEL_WARN;
    case 'I': return USMP_LOG_LEVEL_INFO;
    default: return USMP_LOG_LEVEL_DEBUG;
  }
}

void usmp_log(char level, const char *tag, const char *msg)
{
  if (level_of(level) <= highest) usmp_port_log(level, tag, msg);
}
