/*
 * attendant.h - who hears the signals of a daemon that mounts.
 *
 * SIGTERM and SIGINT end it, SIGHUP and SIGUSR1 ask for something that takes
 * locks and time, which no handler may; SIGPIPE is ignored. So a thread waits
 * for all of them, the attendant. Threads made after attendant_start() have
 * them blocked, and so has the main thread, until attendant_listen(): from then
 * on SIGTERM and SIGINT also take the main thread out of what it waits in.
 *
 * For the main thread; there is one attendant at a time.
 */
#ifndef PYCLOUD_ATTENDANT_H
#define PYCLOUD_ATTENDANT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Each may be called from the first moment on, with `arg`. */
struct attendant_hooks {
	/* In any thread, and in a handler: async-signal-safe. More than once. */
	void (*end)(void *arg);
	void (*refresh)(void *arg); /* SIGHUP; NULL: nothing is done */
	void (*report)(void *arg);  /* SIGUSR1; NULL: nothing is done */
	void *arg;
};

struct attendant {
	const struct attendant_hooks *hooks;
	pthread_t main_thread;
	pthread_t thread;
	bool is_there;
	atomic_bool is_over;
};

/* Before there is another thread. The hooks are borrowed until
 * attendant_end(). */
void attendant_install(struct attendant *, const struct attendant_hooks *);
/* 0 or -errno. */
int attendant_start(struct attendant *);
void attendant_listen(void);
/* No hook is called any more. SIGTERM and SIGINT do nothing from now on, and
 * stay blocked where they are. */
void attendant_end(struct attendant *);

#endif
