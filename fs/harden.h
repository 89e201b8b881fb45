/*
 * harden.h - what a daemon gives up, so that whoever takes it over gets less.
 *
 * Two steps. harden_memory(), at the start: tokens never end in a core file,
 * and another process of the same user cannot read our memory. harden_lock(),
 * once mounted: no program is started any more, no privilege gained by one, and
 * the system calls that a daemon like this one never needs are refused.
 *
 * The filter is a deny list. An allow list would have to know every call that
 * any glibc, libcurl, GLib, SQLite and libfuse makes on any architecture, in
 * every version that a distribution will ever pair with us; where it is wrong,
 * a mount fails in the middle of its work. What is denied here answers EPERM
 * (clone3 answers ENOSYS, as its flags cannot be looked at: the C library then
 * uses clone), so that a mistake is an error and not a death.
 *
 * umount2 stays allowed: root's daemon lets go of its own mount.
 */
#ifndef PYCLOUD_HARDEN_H
#define PYCLOUD_HARDEN_H

#include <stdbool.h>

/* Before the first secret is read. With a sanitizer memory stays readable to
 * others: it looks for leaks from another process. */
void harden_memory(void);

/* For all threads, those of the future too, and for all children; nothing takes
 * it back. `is_logged`: what is refused goes to the kernel's audit log. 0;
 * -ENOSYS: pycloud was built without libseccomp, and only this thread and its
 * children gain no privileges; or the kernel's -errno: nothing is refused. */
int harden_lock(bool is_logged);

#endif
