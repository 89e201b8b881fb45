/* kube_pin.c - see kube_pin.h. */
#include "config.h"

#include "kube_pin.h"

#include "mutex.h"

#include <glib.h>
#include <stdatomic.h>

struct kube_pin {
	atomic_uint refs;
	struct mutex lock;
	char *uid; /* guarded by lock */
};

struct kube_pin *kube_pin_new(void)
{
	struct kube_pin *p = g_new0(struct kube_pin, 1);

	atomic_init(&p->refs, 1);
	mutex_init(&p->lock);
	return p;
}

struct kube_pin *kube_pin_ref(struct kube_pin *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void kube_pin_unref(struct kube_pin *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	mutex_fini(&p->lock);
	g_free(p->uid);
	g_free(p);
}

char *kube_pin_get(struct kube_pin *p)
{
	char *uid;

	mutex_lock(&p->lock);
	uid = g_strdup(p->uid);
	mutex_unlock(&p->lock);
	return uid;
}

void kube_pin_set(struct kube_pin *p, const char *uid)
{
	mutex_lock(&p->lock);
	g_free(p->uid);
	p->uid = g_strdup(uid);
	mutex_unlock(&p->lock);
}
