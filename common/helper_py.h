/* helper_py.h - the Python that makes a kernel the helper; see embed.py. */
#ifndef PYCLOUD_HELPER_PY_H
#define PYCLOUD_HELPER_PY_H

/* To be executed in an IPython kernel, any number of times. ASCII. */
extern const char helper_py[];

#endif
