# SPDX-License-Identifier: GPL-2.0
# Entry points. Each script called here installs, downloads and builds its own prerequisites.

BASE ?= 6.12
ifneq ($(KSRC),)
ifeq ($(origin BASE),command line)
$(error give BASE or KSRC, not both)
endif
override BASE := ksrc
export KSRC
endif
CONFIG ?= run
LIMIT ?= 600
MINUTES ?= 5
flavor = $(if $(filter 1,$(STOCK)),stock,ours)
initrd = build/$(BASE)/initrd.cpio

.PHONY: help run test defects torture coverage mutants model series series-update series-check lint bench lock-hold guest debian deb deb-check clients shell boot clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: BASE=6.12|7.3, KSRC=your own kernel tree, STOCK=1, CONFIG=run|debug|kcsan, INITRD=file, LIMIT=seconds for boot'

run: ## the main job of the controller, shown and checked step by step, on an emulated SEV host
	@rig/kernel/build.sh $(BASE) ours run
	@rig/machine/qemu/build.sh
	@rig/machine/initrd.sh $(initrd) rig/tests/in-machine
	@rig/machine/boot.sh --run main-job build/$(BASE)/ours-run $(initrd)
	@rig/tests/splats.sh build/$(BASE)/ours-run/main-job/kernel.log

test: ## the tests, with the quick scenarios; counts in the last line (STEPS=1000000: steps of the random tests on UML, SEED=1; ALL=1: all scenarios, more architectures)
	@rig/tests/all.sh $(BASE)

defects: ## the tests of stock's known defects: a table of their results on stock and on ours
	@rig/tests/defects/run.sh $(BASE)

torture: ## stress test from user space, with KUnit, on the kernels debug and kcsan, MINUTES=5 on each (SEED=1)
	@rig/tests/torture/run.sh $(BASE) "$(MINUTES)"

coverage: ## coverage of the controller by the KUnit tests: lines and branches
	@rig/test-quality/coverage.sh $(BASE)

mutants: ## mutation test: the KUnit test that detects each small mistake in the controller (ONLY=part of a name)
	@rig/test-quality/mutants.sh $(BASE) "$(ONLY)"

model: ## charges and releases without the lock: all orders of their steps, and of their memory accesses on weak machines
	@rig/tests/model/run.sh $(BASE)

series: ## write the patches for git am, three series with cover letters, to build/series
	@rig/series/write.sh $(BASE)

series-update: ## take a change of misc.c, or of another file that several patches share, into the patches (FROM=commit before it)
	@rig/series/update.sh $(BASE) $(FROM)

series-check: ## apply the patches to a pristine base; build every configuration after each patch
	@rig/series/check.sh $(BASE)

lint: ## all static checkers (checkpatch, sparse, coccinelle, kernel-doc, ...): fails if any of them prints anything
	@rig/series/lint.sh $(BASE)

bench: ## time of a charge, ours and stock, on UML and in user space
	@rig/bench/run.sh $(BASE)

lock-hold: ## time for which a resource's lock is held at 5,000 levels, and time of stock's walks
	@rig/bench/lock-hold/run.sh $(BASE)

guest: ## boot Linux as an SEV guest, charged while it runs; a second guest is refused (STOCK=1)
	@rig/kernel/build.sh $(BASE) $(flavor) run
	@rig/machine/qemu/build.sh
	@rig/tests/sev-guest/folder.sh build/$(BASE)/guest-qemu build/$(BASE)/$(flavor)-run/bzImage
	@rig/machine/initrd.sh $(initrd) build/$(BASE)/guest-qemu rig/tests/sev-guest
	@rig/machine/boot.sh --run sev-guest build/$(BASE)/$(flavor)-run $(initrd)
	@rig/tests/splats.sh build/$(BASE)/$(flavor)-run/sev-guest/kernel.log

debian: ## root prompt in a Debian system with podman, runc, QEMU and more, in the test machine (STOCK=1)
	@rig/tests/clients/run.sh --login $(BASE) $(flavor)

# $(value): a path may have a dollar sign.
deb: export CONFIG_FILE := $(value CONFIG_FILE)
deb: export LOCALMODS := $(value LOCALMODS)
deb: export SUFFIX := $(value SUFFIX)
deb: ## Debian packages for a host (CONFIG_FILE=debian|running|path, LOCALMODS=lsmod-file for a small one, SUFFIX=+misc1)
	@rig/deb/build.sh $(BASE)

deb-check: ## those packages, with LOCALMODS, on a Debian host in the machine: installed, booted, used, removed
	@rig/deb/check.sh $(BASE)

clients: ## test programs that operators use, in that Debian system: a table of results (STOCK=1, ONLY='lxc docker')
	@rig/tests/clients/run.sh $(BASE) $(flavor) $(ONLY)

# $(value): the shell in the test machine expands RUN, not make.
shell: override export RUN := $(value RUN)
shell: ## prompt in the test machine, or one command: RUN='dmesg | grep SEV' (STOCK=1, CONFIG=debug)
	@rig/kernel/build.sh $(BASE) $(flavor) $(CONFIG)
	@rig/machine/qemu/build.sh
	@rig/machine/initrd.sh $(initrd) rig/tests/in-machine
	@if [ -n "$$RUN" ]; then set -- --command "$$RUN"; else set -- --shell; fi; \
		rig/machine/boot.sh "$$@" build/$(BASE)/$(flavor)-$(CONFIG) $(initrd)

boot: ## boot the test machine with INITRD=file.cpio, console on stdout, until it powers off (STOCK=1, CONFIG=debug)
	@[ -n "$(INITRD)" ] || { echo 'error: INITRD is not set: make boot INITRD=file.cpio' >&2; exit 1; }
	@[ -f "$(INITRD)" ] && [ -r "$(INITRD)" ] || { echo 'error: INITRD=$(INITRD): no such file, or not readable' >&2; exit 1; }
	@rig/kernel/build.sh $(BASE) $(flavor) $(CONFIG)
	@rig/machine/qemu/build.sh
	@rig/machine/boot.sh --limit "$(LIMIT)" build/$(BASE)/$(flavor)-$(CONFIG) "$(INITRD)"

clean: ## remove build/, keep the cache
	@rm -rf build
