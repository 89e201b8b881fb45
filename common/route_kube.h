/*
 * route_kube.h - the route to the pod behind a Service of a cluster.
 *
 * Two ways, both through the API server: the proxy of the pod (the default;
 * what people are allowed most often), or a port-forward (nothing is rewritten
 * and headers arrive). Either leads to one pod. When an exchange fails, the
 * pod is looked up anew before the next: it may have been replaced, with
 * another name and address; as long as it is there, it is kept (kube_pin.h).
 *
 * Locking: one internal lock; looking up and dialling happen without. One
 * thread at a time looks up, the others wait for it.
 */
#ifndef PYCLOUD_ROUTE_KUBE_H
#define PYCLOUD_ROUTE_KUBE_H

#include "kube.h"
#include "kube_pin.h"
#include "token_keeper.h"

enum kube_via {
	KUBE_VIA_PROXY,
	KUBE_VIA_PORTFORWARD,
};

struct route_kube_params {
	struct kube *kube;     /* a reference is taken */
	const char *namespace; /* good names, both */
	const char *service;
	/* Jupyter's token: kept, or (NULL) always this one (NULL: none). A
	 * reference is taken. */
	struct token_keeper *keeper;
	struct secret *token;
	enum kube_via via;
	struct kube_pin *pin; /* a reference is taken */
};

struct route *route_kube_new(const struct route_kube_params *);

/* Appends "pod: NAME\n". */
void route_kube_describe(struct route *, GString *text);
/* Why there is no way at present, a sentence; NULL: there is one; g_free. */
char *route_kube_why(struct route *);

#endif
