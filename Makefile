# Sluice: how it is built, tested, installed. `./configure` writes $(B)/config.mk, which sets the tools, flags and
# libraries; where there is none yet, make runs it by itself with --debug (a developer's build, with crash points).
#
#   make                       build/sluice, build/sluicectl, build/libsluice.a
#   make examples              the programs of conf/examples: build/examples/NAME
#   make check                 sets up what the tests need and runs every test (ci/check)
#   make check-unit            C unit tests and fuzz corpora of the tree in B
#   make check-func [ARGS=…]   functional tests; ARGS go to pytest
#   make B=build-x CC=clang-14 SANITIZE=-fsanitize=address,undefined …   another tree beside the first
#
# Variables: B build folder · V=1 whole commands · WERROR=1 warnings are errors · CC CFLAGS LDFLAGS SANITIZE EVENT SWITCH
# TESTBUILD override what configure chose. Folders and layers: src/LAYERS; a new .c file is picked up by itself.

B ?= build
all:

# ---- configuration

# Goals that need no configured tree, or make one of their own.
UNCONFIGURED := check check-asan check-func crash bench demo lint format fuzz dist clean
ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include $(B)/config.mk
endif

CONFIGURE_ARGS ?= --debug --build=$(B)
given = $(if $(filter default undefined,$(origin $1)),,$1='$($1)')
$(B)/config.mk: configure
	$(call given,CC) $(call given,CFLAGS) ./configure $(CONFIGURE_ARGS)

# ---- flags

Q := $(if $(V),,@)
CPPFLAGS += -D_GNU_SOURCE -Isrc -I$(B) $(if $(TESTBUILD),-DSLUICE_TEST)
ALL_CFLAGS = -std=c11 $(CFLAGS) $(WARN) $(if $(filter 1,$(WERROR)),-Werror) \
	$(HARDEN) $(LTO) $(if $(SANITIZE),,$(FORTIFY)) $(SANITIZE) $(if $(TESTBUILD)$(SANITIZE),-fno-omit-frame-pointer) -pthread
COMPILE = $(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP
LINK = $(CC) $(ALL_CFLAGS) $(LDFLAGS)

# ---- what there is

# Platform files: one a platform behind one header, chosen by configure.
PLATFORM_ALL := $(wildcard src/task/event_*.c src/task/switch_*)
PLATFORM := src/task/event_$(EVENT).c $(wildcard src/task/switch_$(SWITCH).*)

# Every layer that src/LAYERS names goes into the library, but for the programs on its last line.
PROGRAM_DIRS := server ctl cni
LIB_DIRS := $(filter-out $(PROGRAM_DIRS),$(shell sed '/^\#/d' src/LAYERS))
LIB_SRC := $(filter-out $(PLATFORM_ALL),$(foreach d,$(LIB_DIRS),$(wildcard src/$d/*.c))) $(wildcard $(PLATFORM))
LIB_OBJ := $(LIB_SRC:src/%=$(B)/obj/%.o)
# kqueue where there is none: the tests drive event_kqueue.c through a stand-in over epoll.
ifeq ($(EVENT) $(shell uname -s),kqueue Linux)
CPPFLAGS += -Itest/kqueue
LIB_OBJ += $(B)/obj/test/kqueue/kevent.c.o
endif
# Files of web pages, a folder src/LAYER/web each, become tables in the library: LAYER_web (src/http/asset.h).
LIB_OBJ += $(patsubst src/%/web,$(B)/obj/%/web.c.o,$(wildcard src/*/web))
LIB := $(B)/libsluice.a

objects = $(patsubst src/%,$(B)/obj/%.o,$(wildcard src/$1/*.c))
SERVER_OBJ := $(call objects,server)
CTL_OBJ := $(call objects,ctl)
CNI_OBJ := $(call objects,cni)
PROGRAMS := $(if $(SERVER_OBJ),$(B)/sluice) $(if $(CTL_OBJ),$(B)/sluicectl) $(if $(CNI_OBJ),$(B)/sluice-cni)

UNIT_BIN := $(patsubst test/%.c,$(B)/test/%,$(wildcard test/unit/*/test_*.c))
FUZZ_BIN := $(patsubst test/%.c,$(B)/test/%,$(wildcard test/fuzz/fuzz_*.c))
MANUAL := $(if $(SERVER_OBJ),$(B)/sluice.8) $(if $(CTL_OBJ),$(B)/sluicectl.8)
VENDOR_LIBS := $(if $(filter 1,$(VENDORED)),$(B)/vendor/lib/libz.a $(B)/vendor/lib/libbearssl.a)

# ---- the library and the programs

all: $(LIB) $(PROGRAMS) $(MANUAL)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	@echo "  AR    $@"
	$(Q)$(AR) rcs $@ $(LIB_OBJ)

$(B)/sluice: $(SERVER_OBJ) $(LIB)
$(B)/sluicectl: $(CTL_OBJ) $(LIB)
$(B)/sluice-cni: $(CNI_OBJ) $(LIB)
$(PROGRAMS):
	@echo "  LINK  $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS)

$(MANUAL): $(B)/%.8: $(B)/% conf/man/%.8.in ci/man
	$(Q)ci/man $(B) $* >$@

$(B)/obj/%.c.o: src/%.c $(B)/config.mk | $(VENDOR_LIBS)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) $(if $(SANITIZE),,$(FRAME)) -c -o $@ $<

$(B)/obj/%.c.o: $(B)/obj/%.c $(B)/config.mk
	@echo "  CC    $<"
	$(Q)$(COMPILE) -c -o $@ $<

.PRECIOUS: $(B)/obj/%/web.c
.SECONDEXPANSION:
$(B)/obj/%/web.c: ci/embed src/%/web $$(wildcard src/$$*/web/*)
	@mkdir -p $(@D)
	@echo "  EMBED src/$*/web"
	$(Q)ci/embed src/$*/web $*_web >$@

$(B)/obj/%.S.o: src/%.S $(B)/config.mk
	@mkdir -p $(@D)
	@echo "  AS    $<"
	$(Q)$(COMPILE) -c -o $@ $<

$(B)/obj/test/%.c.o: test/%.c $(B)/config.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) -c -o $@ $<

# Jumps between stacks on purpose, which the fortified longjmp takes for an attack.
$(B)/obj/task/switch_sigaltstack.c.o: private FORTIFY :=

$(VENDOR_LIBS):
	$(Q)$(MAKE) -C vendor OUT='$(abspath $(B))/vendor' CC='$(CC)' AR='$(AR)' '$(abspath $@)'

# ---- tests

$(B)/test/unit/%: test/unit/%.c $(LIB)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) -Itest $(LDFLAGS) -o $@ $< $(LIB) -lcmocka $(LIBS)

# A fuzz target with a main() that replays its corpus; `make fuzz` builds the same files with libFuzzer.
$(B)/test/fuzz/%: test/fuzz/%.c test/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) -Itest $(LDFLAGS) -o $@ $< test/fuzz/replay.c $(LIB) $(LIBS)

# Tools of the measurements (ci/bench).
$(B)/test/bench/%: test/bench/%.c $(LIB)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(COMPILE) -Itest $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

# Programs of conf/examples: each folder with C files becomes one, which needs nothing of ours.
EXAMPLES := $(patsubst conf/examples/%/,$(B)/examples/%,$(sort $(dir $(wildcard conf/examples/*/*.c))))

examples: $(EXAMPLES)

$(B)/examples/%: conf/examples/%/*.c conf/examples/%/*.h
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) -std=c11 -D_POSIX_C_SOURCE=200809L $(CFLAGS) $(WARN) $(if $(filter 1,$(WERROR)),-Werror) $(HARDEN) $(SANITIZE) \
		$(LDFLAGS) -o $@ $(filter %.c,$^)

unit: $(UNIT_BIN) $(FUZZ_BIN)

check-unit: unit
	@ci/run-unit $(B)

check check-asan check-func crash bench demo lint format fuzz:
	@ci/$@ $(ARGS)

# ---- install, distribute

DESTDIR ?=
sbindir = $(prefix)/sbin
bindir = $(prefix)/bin
mandir = $(prefix)/share/man
INSTALL ?= install
confdir = $(DESTDIR)$(sysconfdir)/sluice

install: all
	$(if $(TESTBUILD),$(error this tree is a test build, with crash points: run ./configure first))
	$(INSTALL) -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man8 $(confdir)
	$(if $(SERVER_OBJ),$(INSTALL) -m 755 $(B)/sluice $(DESTDIR)$(sbindir))
	$(if $(CTL_OBJ),$(INSTALL) -m 755 $(B)/sluicectl $(DESTDIR)$(bindir))
	$(if $(CNI_OBJ),$(INSTALL) -m 755 $(B)/sluice-cni $(DESTDIR)$(bindir))
	$(if $(MANUAL),$(INSTALL) -m 644 $(MANUAL) $(DESTDIR)$(mandir)/man8)
	[ -e $(confdir)/sluice.conf ] || $(INSTALL) -m 644 conf/sluice.conf $(confdir)

# Leaves the configuration: it is the operator's.
uninstall:
	rm -f $(DESTDIR)$(sbindir)/sluice $(DESTDIR)$(bindir)/sluicectl $(DESTDIR)$(bindir)/sluice-cni \
		$(DESTDIR)$(mandir)/man8/sluice.8 $(DESTDIR)$(mandir)/man8/sluicectl.8

dist:
	@ci/dist

clean:
	rm -rf $(B)

.PHONY: all unit examples check check-unit check-func check-asan crash bench demo lint format fuzz install uninstall dist clean
.DELETE_ON_ERROR:
-include $(LIB_OBJ:.o=.d) $(SERVER_OBJ:.o=.d) $(CTL_OBJ:.o=.d) $(CNI_OBJ:.o=.d) $(UNIT_BIN:=.d) $(FUZZ_BIN:=.d)
