# SPDX-License-Identifier: GPL-2.0
#
# What can be done here; "make help" lists it.

# The built kernel that modules and modules_install are for.
KDIR ?= /lib/modules/$(shell uname -r)/build
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tcp-migrate
export CACHE

VM := scripts/vm

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

.PHONY: demo
demo: ## Replace real servers under load, without and with the module
	@built=$$(scripts/kernel --built hooks) && \
	$(VM) --kernel=$$([ "$$built" ] && echo hooks || echo small) -- tools/demo/demo

# TESTS= runs some of the kselftests alone.
.PHONY: test
test: ## Static checks and kselftests, in QEMU and in the sanitizer kernel (TESTS=)
	scripts/test

.PHONY: deb
deb: ## A kernel for Debian 13 that has the module, and its settings, as packages
	scripts/deb

.PHONY: test-deb
test-deb: ## Install, boot and remove what "make deb" makes, in Debian 13
	scripts/test-deb

.PHONY: test-peer
test-peer: ## The kselftests on mainline as well, against Documentation/mainline.rst
	scripts/test-peer

.PHONY: test-matrix
test-matrix: ## Torture and the kselftests on other kernels, as Documentation/testing.rst
	scripts/test-matrix

.PHONY: test-suites
test-suites: ## The kernel's suites of MPTCP, TCP-AO and BPF, against mainline
	scripts/test-suites

.PHONY: test-kselftest
test-kselftest: ## What Documentation/kselftest.rst says, with virtme-ng
	scripts/test-kselftest

.PHONY: test-monitor
test-monitor: ## What Documentation/monitoring.rst says, with node_exporter
	$(VM) -- tools/monitor/test

# SEED= repeats what a run has printed.
SECONDS ?= 300
.PHONY: torture
torture: ## Everything at once, in the sanitizer kernel (SECONDS=, SEED=)
	$(VM) --kernel=debug -- "$$(scripts/selftests)/torture" $(SECONDS) $(SEED)

.PHONY: bench
bench: ## Measure the module against mainline: a table and pictures
	scripts/bench

.PHONY: check
check: ## The static checks of "make test" alone
	scripts/check

.PHONY: shell
shell: ## An interactive guest with the module loaded
	$(VM)

# For a kernel built with clang, all of LLVM, as for the kernel. LLVM= names another.
KBUILD = -C "$(KDIR)" M="$(CURDIR)" $(if \
	$(shell grep -s '^CONFIG_CC_IS_CLANG=y' "$(KDIR)/include/config/auto.conf"), \
	LLVM=$(or $(LLVM),1))

.PHONY: modules
modules: ## The module for the kernel built in KDIR
	@scripts/kdir "$(KDIR)"
	$(MAKE) $(KBUILD) modules

.PHONY: modules_install
modules_install: ## Install the module for the kernel built in KDIR
	$(MAKE) $(KBUILD) modules_install

.PHONY: clean
clean: ## Remove what "make modules" left here; the cache stays
	$(MAKE) $(KBUILD) clean
