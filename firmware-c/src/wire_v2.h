/* What the tables of both roles of version 2 have in common. */
#ifndef USMP_WIRE_V2_H
#define USMP_WIRE_V2_H

#include "usmp/wire.h"

#define USMP_WIRE_V2_RECORDS                                                                               \
  .version = USMP_WIRE_VERSION, .overhead = USMP_SEAL_OVERHEAD, .plaintext_offset = USMP_PLAINTEXT_OFFSET, \
  .max_plaintext = USMP_MAX_DATA_LEN, .seal = usmp_record_layer_seal, .open = usmp_record_layer_open,      \
  .start_rekey = usmp_record_layer_start_rekey, .accept_rekey = usmp_record_layer_accept_rekey

#endif
