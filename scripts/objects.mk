# SPDX-License-Identifier: GPL-2.0
#
# Lists the objects that Kbuild would compile, without compiling any: scripts/kernel
# shows how many of them are done. Read after the kernel's own Makefile, and after
# Makefile.build in each folder, which knows them by then.

this := $(lastword $(MAKEFILE_LIST))
descend = $(MAKE) -f $(srctree)/scripts/Makefile.build -f $(this)

.PHONY: objects
ifdef obj
objects: $(addprefix objects-in/,$(subdir-ym))
	@for object in $(filter %.o,$(real-obj-y) $(real-obj-m) $(lib-y) $(extra-y)); do \
		echo "$$object"; \
	done
objects-in/%:
	@$(descend) obj=$* objects
else
objects:
	@$(descend) obj=. objects
endif
