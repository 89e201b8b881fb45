# PYCLOUD_WARNINGS: the warning set of --enable-developer, in DEV_CFLAGS.
# Releases never build with -Werror: a new compiler's new warning must not
# stop a packager.
AC_DEFUN([PYCLOUD_WARNINGS], [
	DEV_CFLAGS="-Wall -Wextra"
	AS_IF([test "x$enable_developer" = xyes], [
		for flag in -Wshadow -Wvla -Wundef -Wformat=2 \
			-Wstrict-prototypes -Wmissing-prototypes \
			-Wold-style-definition -Wpointer-arith \
			-Wwrite-strings -Wcast-qual -Wcast-align \
			-Wimplicit-fallthrough -Wswitch-enum \
			-Wnull-dereference -Wconversion -Wno-sign-conversion \
			-Wduplicated-cond -Wlogical-op \
			-Wthread-safety -Wthread-safety-negative; do
			PYCLOUD_TRY_CFLAG([$flag])
		done
		DEV_CFLAGS="$DEV_CFLAGS -Werror"
	])
	AC_SUBST([DEV_CFLAGS])
])

# PYCLOUD_TRY_CFLAG(FLAG): add FLAG to DEV_CFLAGS where the compiler knows it.
AC_DEFUN([PYCLOUD_TRY_CFLAG], [
	pycloud_saved_cflags="$CFLAGS"
	CFLAGS="$CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
		[DEV_CFLAGS="$DEV_CFLAGS $1"])
	CFLAGS="$pycloud_saved_cflags"
])

# PYCLOUD_SANITIZERS: what --enable-sanitizers names, for every object.
AC_DEFUN([PYCLOUD_SANITIZERS], [
	AS_IF([test "x$enable_sanitizers" != xno], [
		AS_IF([test "x$enable_sanitizers" = xyes],
			[enable_sanitizers=address,undefined])
		SAN_CFLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer"
		SAN_CFLAGS="$SAN_CFLAGS -fno-sanitize-recover=all"
		pycloud_saved_cflags="$CFLAGS"
		CFLAGS="$CFLAGS $SAN_CFLAGS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [], [AC_MSG_ERROR(
			[the compiler cannot link with -fsanitize=$enable_sanitizers])])
		CFLAGS="$pycloud_saved_cflags"
	])
	AC_SUBST([SAN_CFLAGS])
])

# PYCLOUD_FUZZERS: with --enable-fuzzers, instrument every object for libFuzzer
# and define ENABLE_FUZZERS and FUZZ_LDFLAGS. Only clang has it.
AC_DEFUN([PYCLOUD_FUZZERS], [
	FUZZ_LDFLAGS=""
	AS_IF([test "x$enable_fuzzers" = xyes], [
		FUZZ_LDFLAGS="-fsanitize=fuzzer"
		SAN_CFLAGS="$SAN_CFLAGS -fsanitize=fuzzer-no-link"
		pycloud_saved_cflags="$CFLAGS"
		CFLAGS="$CFLAGS $SAN_CFLAGS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [], [AC_MSG_ERROR(
			[--enable-fuzzers needs clang with libFuzzer: CC=clang])])
		CFLAGS="$pycloud_saved_cflags"
	])
	AC_SUBST([FUZZ_LDFLAGS])
	AM_CONDITIONAL([ENABLE_FUZZERS], [test "x$enable_fuzzers" = xyes])
])
