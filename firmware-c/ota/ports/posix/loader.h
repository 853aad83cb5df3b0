/* Between the loader and the program that it starts: environment variables and an exit status. */
#ifndef USMP_LOADER_H
#define USMP_LOADER_H

/* "0" or "1": the slot that the program was started from. */
#define USMP_LOADER_SLOT "USMP_LOADER_SLOT"
/* A file descriptor; each byte that is written there feeds the watchdog. */
#define USMP_LOADER_WATCHDOG "USMP_LOADER_WATCHDOG"
/* The program wants to be started again, as a chip by a reset. */
#define USMP_LOADER_RESTART 75

#endif
