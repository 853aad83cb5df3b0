#include "usmp/fragment.h"

#include "usmp/constants.h"
#include "usmp/errors.h"

size_t usmp_fragment_count(size_t message_len)
{
  return message_len == 0 ? 1 : (message_len + USMP_MAX_DATA_LEN - 1) / USMP_MAX_DATA_LEN;
}

void usmp_fragment_reset(usmp_fragment_t *f)
{
  f->frames = 0;
  f->length = 0;
}

int usmp_fragment_push(usmp_fragment_t *f, uint8_t type, uint32_t seq, size_t len)
{
  bool last = type == USMP_TYPE_DATA;

  if ((f->frames > 0 && seq != f->next) || (!last && f->frames == USMP_MAX_FRAMES - 1)) {
    usmp_fragment_reset(f);
    return USMP_ERR_BAD_FRAGMENT;
  }
  f->frames++;
  f->length = (uint16_t)(f->length + len);
  f->next = seq + 1;
  return last;
}
