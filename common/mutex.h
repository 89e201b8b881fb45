/*
 * mutex.h - a pthread mutex that clang's lock analysis can see.
 *
 * The names follow clang's attributes: a function that needs a lock held says
 * REQUIRES(t->lock), one that takes it itself says EXCLUDES(t->lock). Struct
 * fields cannot carry GUARDED_BY in C with clang 14, so they carry a comment
 * instead. There is no cleanup-unlock on purpose: the analysis does not
 * understand it, and explicit pairs are what it checks.
 *
 * Locks here are leaves: no function holds two of them, and none is held
 * across I/O, a reply to the kernel, or a callback; the headers of the modules
 * that do otherwise say so. Waiting for something slow is done with a waitlist
 * (waitlist.h).
 */
#ifndef PYCLOUD_MUTEX_H
#define PYCLOUD_MUTEX_H

#include <pthread.h>

#if defined(__clang__)
#define PYCLOUD_TSA(x) __attribute__((x))
#else
#define PYCLOUD_TSA(x)
#endif

#define REQUIRES(...) PYCLOUD_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PYCLOUD_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRES(...) PYCLOUD_TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...) PYCLOUD_TSA(release_capability(__VA_ARGS__))

struct PYCLOUD_TSA(capability("mutex")) mutex {
	pthread_mutex_t raw;
};

#define MUTEX_INIT                        \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	}

static inline void mutex_init(struct mutex *m)
{
	(void)pthread_mutex_init(&m->raw, NULL);
}

static inline void mutex_fini(struct mutex *m)
{
	(void)pthread_mutex_destroy(&m->raw);
}

/* For a callback that is called with it held, which no attribute can say. */
static inline void mutex_is_held(const struct mutex *m)
	PYCLOUD_TSA(assert_capability(*m));
static inline void mutex_is_held(const struct mutex *m)
{
	(void)m;
}

static inline void mutex_lock(struct mutex *m) ACQUIRES(*m)
	PYCLOUD_TSA(no_thread_safety_analysis);
static inline void mutex_lock(struct mutex *m)
{
	(void)pthread_mutex_lock(&m->raw);
}

static inline void mutex_unlock(struct mutex *m) RELEASES(*m)
	PYCLOUD_TSA(no_thread_safety_analysis);
static inline void mutex_unlock(struct mutex *m)
{
	(void)pthread_mutex_unlock(&m->raw);
}

#endif
