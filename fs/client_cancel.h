/*
 * client_cancel.h - signals that end what a command waits for.
 *
 * Of the commands that talk to servers: one cancel at a time, in the main
 * thread's hands, which outlives its being set here.
 */
#ifndef PYCLOUD_CLIENT_CANCEL_H
#define PYCLOUD_CLIENT_CANCEL_H

#include "cancel.h"

/* What the signals fire from now on; NULL: nothing. */
void client_cancel_set(struct cancel *);
/* The signal fires it; flags are sigaction(2)'s. */
void client_cancel_hear(int number, int flags);

#endif
