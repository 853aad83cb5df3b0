#include "usmp/fragment.h"

#include "usmp/constants.h"
#include "usmp/errors.h"

size_t usmp_fragment_count(size_t message_len)
{
  return (message_len + USMP_MAX_DATA_LEN - (message_len > 0)) / USMP_MAX_DATA_LEN;
}

int usmp_fragment_push(usmp_fragment_t *f, uint32_t type, uint32_t seq, size_t len)
{
  bool last = type == USMP_TYPE_DATA;
  size_t begin = usmp_fragment_begin(f);

  if ((f->frames > 0 && seq != f->next) || (!last && f->frames == USMP_MAX_FRAMES - 1)) {
    f->frames = 0;
    return USMP_ERR_BAD_FRAGMENT;
  }
  f->frames = last ? 0 : (uint8_t)(f->frames + 1);
  f->length = (uint16_t)(begin + len);
  f->next = seq + 1;
  return last;
}
