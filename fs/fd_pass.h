/*
 * fd_pass.h - bytes, and a descriptor with them, over a Unix socket (unix(7):
 * SCM_RIGHTS).
 */
#ifndef PYCLOUD_FD_PASS_H
#define PYCLOUD_FD_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* fd -1: none. True: something has been sent. */
bool fd_pass_send(int socket, const void *bytes, size_t length, int fd);
/* As recv(2), EINTR excepted. *ret_fd is the caller's to close, or -1. */
ssize_t fd_pass_receive(int socket, void *bytes, size_t size, int *ret_fd);

#endif
