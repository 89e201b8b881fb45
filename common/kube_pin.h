/*
 * kube_pin.h - which of a Service's pods a mount stays with.
 *
 * A Service may have several, each a server with kernels and a token of its
 * own. Whoever reaches a workspace (the route of a mount; the one that tries a
 * token for it) takes the pinned pod as long as it is there, and pins the one
 * that it took instead.
 *
 * Counted. Locking: one internal lock, a leaf.
 */
#ifndef PYCLOUD_KUBE_PIN_H
#define PYCLOUD_KUBE_PIN_H

struct kube_pin;

struct kube_pin *kube_pin_new(void);
struct kube_pin *kube_pin_ref(struct kube_pin *);
void kube_pin_unref(struct kube_pin *);

/* The pod's uid (g_free); NULL: any will do. */
char *kube_pin_get(struct kube_pin *);
void kube_pin_set(struct kube_pin *, const char *uid);

#endif
