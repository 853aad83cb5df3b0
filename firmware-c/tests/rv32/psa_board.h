#ifndef USMP_PSA_BOARD_H
#define USMP_PSA_BOARD_H

/* To be called before psa_crypto_init. */
void psa_board_init(void);

#endif
