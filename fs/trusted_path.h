/*
 * trusted_path.h - where a path leads that root is to act upon for a user.
 *
 * Directories on the way may be the user's, who could put a link there to a
 * place of root's. So links are followed that root made, and no others; each
 * step is taken from a descriptor of the one before, so that nothing is put in
 * its place meanwhile. What uses the name later looks again whether it still
 * leads there without any link (mounter.h). No state, no locks.
 */
#ifndef PYCLOUD_TRUSTED_PATH_H
#define PYCLOUD_TRUSTED_PATH_H

/* The real name of the directory in *ret (g_free). 0; -EPERM: *ret_link (g_free)
 * is a link of somebody else's; or why one cannot go there. The path is
 * absolute. */
int trusted_path_resolve(const char *path, char **ret, char **ret_link);

#endif
