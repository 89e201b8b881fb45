/*
 * availability.h - is the server there? A remote around another one that knows.
 *
 * It looks at what the calls through it bring home. A call that finds no server
 * (refused, cut, unreachable, timed out, or something else than a Jupyter
 * server answers) raises a doubt; the next call has the doubt confirmed or
 * dispelled by a probe, and those that come meanwhile wait for its verdict. A
 * confirmed doubt makes the endpoint offline: every call fails at once with
 * -EHOSTUNREACH, except that the first one after a back-off (1 s, doubling to
 * 30 s, jittered) probes again, while the others go on failing. Nobody asks
 * without being asked: an idle mount sends nothing. Any answer of the server,
 * a refusal too, says that it is online; a cancelled call says nothing.
 * Calls under way are never disturbed, and bytes that arrive in one of them are
 * stronger than a probe that failed meanwhile.
 * More transfers than there are connections wait here for their turn, and hear
 * of the verdict.
 *
 * A server whose root is suddenly gone, or empty where it had names that we did
 * not remove ourselves, has lost its disk rather than its files. Such a
 * listing is a fault: it is not given out, and the endpoint is offline until a
 * listing shows names again, or ROOT_EMPTY_MS later still shows none.
 *
 * Locking: one internal lock; probing, the calls and on_change happen without.
 */
#ifndef PYCLOUD_AVAILABILITY_H
#define PYCLOUD_AVAILABILITY_H

#include "remote.h"

struct availability_params {
	/* Does a server answer? 0, or the transport's -errno. Must be short:
	 * somebody who asked for something else waits for it. */
	int (*probe)(void *arg, const struct cancel *);
	void *probe_arg;
	/* After each change, on the thread of the call that saw it; by then
	 * it may have changed again. NULL: nobody cares. */
	void (*on_change)(void *arg, bool is_online);
	void *on_change_arg;
	int64_t (*now_ms)(void); /* NULL: clock_now_ms */
};

struct availability_state {
	bool is_online;
	struct timespec since;
	char *why; /* it is offline, a clause; else NULL; g_free */
};

/* Takes `inner`; remote_free() frees both. */
struct remote *availability_new(
	struct remote *inner, const struct availability_params *);

/* Of a remote that availability_new() made. */
void availability_state(struct remote *, struct availability_state *ret);

/* The failure says that no server was found, and nothing about the path. */
bool availability_is_failure(int rc);

#endif
