/*
 * kube_quantity.h - amounts as Kubernetes writes them: 500m, 1.5, 512Mi. Pure.
 */
#ifndef PYCLOUD_KUBE_QUANTITY_H
#define PYCLOUD_KUBE_QUANTITY_H

#include <stdbool.h>

/* Digits, perhaps a fraction, and one of m k M G T P E Ki Mi Gi Ti Pi Ei.
 * Exponents (1e3), signs and zero are legal there but no sensible size. */
bool kube_quantity_parse(const char *text, double *ret);

#endif
