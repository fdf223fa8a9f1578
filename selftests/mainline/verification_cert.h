/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In place of a header that the build of mainline's BPF tests generates: the
 * certificate that test_progs adds to a keyring before it runs any test, for
 * those that load signed programs. They aren't built here, and the kernels have
 * no keyrings.
 */
#undef __NR_add_key
#define __NR_add_key __NR_getpid

static const char test_progs_verification_cert[1];
static const size_t test_progs_verification_cert_len;
