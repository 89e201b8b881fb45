/* fuzz.h - what libFuzzer calls; see tests/fuzz in tests/Makefile.am. */
#ifndef PYCLOUD_TESTS_FUZZ_H
#define PYCLOUD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#endif
