# SPDX-License-Identifier: GPL-2.0
# The front door. Everything it calls installs, fetches and builds what it needs.

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

.PHONY: help run test defects torture coverage mutants series series-update series-check lint bench lock-hold guest machine clients shell boot clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: BASE=6.12|7.3, KSRC=your own kernel tree, STOCK=1, CONFIG=run|debug|kcsan, INITRD=file, LIMIT=seconds for boot'

run: ## the main job, told and checked, on a machine with SEV and SEV-ES ASIDs
	@rig/kernel/build.sh $(BASE) ours run
	@rig/machine/qemu/build.sh
	@rig/machine/initrd.sh $(initrd) rig/tests/guest
	@rig/machine/boot.sh --run main-job build/$(BASE)/ours-run $(initrd)
	@rig/tests/splats.sh build/$(BASE)/ours-run/main-job/kernel.log

test: ## every test; the last line counts them (STEPS=1000000 random ones on UML, SEED=1; ALL=1: in all of rig/tests/scenarios)
	@rig/tests/all.sh $(BASE)

defects: ## the known defects of stock: what stock does, what ours does
	@rig/tests/defects/run.sh $(BASE)

torture: ## user space and KUnit against the debug kernels, MINUTES=5 on each (SEED=1)
	@rig/tests/torture/run.sh $(BASE) "$(MINUTES)"

coverage: ## how much of misc.c the KUnit tests reach
	@rig/test-quality/coverage.sh $(BASE)

mutants: ## small mistakes in the controller: which test notices each (ONLY=part of a name)
	@rig/test-quality/mutants.sh $(BASE) "$(ONLY)"

series: ## the patches for git am, three series with cover letters, in build/series
	@rig/series/write.sh $(BASE)

series-update: ## takes an edit of misc.c and other shared files into the patches (FROM=commit before the edit)
	@rig/series/update.sh $(BASE) $(FROM)

series-check: ## git am them to a pristine base; every configuration builds after each one
	@rig/series/check.sh $(BASE)

lint: ## checkpatch, sparse, coccinelle, kernel-doc, the manual: no output means no findings
	@rig/series/lint.sh $(BASE)

bench: ## what a charge costs, ours against stock, on UML and in user space
	@rig/bench/run.sh $(BASE)

lock-hold: ## how long the lock of a resource is held at 5,000 levels, beside stock's walks
	@rig/bench/lock-hold/run.sh $(BASE)

guest: ## a Linux boots as an SEV guest, charged while it runs; a second one is refused
	@rig/kernel/build.sh $(BASE) $(flavor) run
	@rig/machine/qemu/build.sh
	@rig/tests/sev-guest/folder.sh build/$(BASE)/guest-qemu build/$(BASE)/$(flavor)-run/bzImage
	@rig/machine/initrd.sh $(initrd) build/$(BASE)/guest-qemu rig/tests/sev-guest
	@rig/machine/boot.sh --run sev-guest build/$(BASE)/$(flavor)-run $(initrd)
	@rig/tests/splats.sh build/$(BASE)/$(flavor)-run/sev-guest/kernel.log

machine: ## a Debian system with podman, runc, QEMU and more in the test machine: a root prompt (STOCK=1)
	@rig/tests/clients/run.sh --login $(BASE) $(flavor)

clients: ## the programs that operators use, in that system: a table of what works (STOCK=1)
	@rig/tests/clients/run.sh $(BASE) $(flavor)

# The shell in the machine expands RUN, make does not.
shell: override export RUN := $(value RUN)
shell: ## a prompt in the test machine, or one command there: RUN='sev-vm 3' (STOCK=1, CONFIG=debug)
	@rig/kernel/build.sh $(BASE) $(flavor) $(CONFIG)
	@rig/machine/qemu/build.sh
	@rig/machine/initrd.sh $(initrd) rig/tests/guest
	@if [ -n "$$RUN" ]; then set -- --command "$$RUN"; else set -- --shell; fi; \
		rig/machine/boot.sh "$$@" build/$(BASE)/$(flavor)-$(CONFIG) $(initrd)

boot: ## boot INITRD=file.cpio instead of ours, console on stdout, until it powers off (STOCK=1, CONFIG=debug)
	@[ -n "$(INITRD)" ] || { echo 'error: say what to boot: make boot INITRD=file.cpio' >&2; exit 1; }
	@[ -f "$(INITRD)" ] && [ -r "$(INITRD)" ] || { echo 'error: INITRD=$(INITRD): no such file, or not readable' >&2; exit 1; }
	@rig/kernel/build.sh $(BASE) $(flavor) $(CONFIG)
	@rig/machine/qemu/build.sh
	@rig/machine/boot.sh --limit "$(LIMIT)" build/$(BASE)/$(flavor)-$(CONFIG) "$(INITRD)"

clean: ## remove build/; the cache stays
	@rm -rf build
