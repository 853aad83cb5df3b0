/* CRC-16/MODBUS (specification, section 1.2): finds noise, proves nothing. */
#ifndef USMP_CRC16_H
#define USMP_CRC16_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_CRC16_INIT 0xFFFFu

/* Feed the parts in order, starting from USMP_CRC16_INIT. */
uint16_t usmp_crc16_update(uint16_t crc, const uint8_t *bytes, size_t len);

#ifdef __cplusplus
}
#endif
#endif
