/* test.h - what cmocka wants included, in its order. */
#ifndef PYCLOUD_TESTS_UNIT_TEST_H
#define PYCLOUD_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
