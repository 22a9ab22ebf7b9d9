# Sluice. `./configure` writes build/config.mk; without it these defaults hold.
B ?= build
-include $(B)/config.mk

CC ?= cc
AR ?= ar
EVENT ?= epoll
SWITCH ?= x86_64
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wshadow -Wvla -Wframe-larger-than=2048 -Wmissing-prototypes -Wstrict-prototypes
CPPFLAGS += -D_GNU_SOURCE -Isrc -I$(B) $(if $(TESTBUILD),-DSLUICE_TEST)
TESTBUILD ?= 1
LIBS ?= -lbearssl -lz -lpthread
ALL_CFLAGS = -std=c11 $(CFLAGS) $(WARN) $(SANITIZE) -fno-omit-frame-pointer -pthread

# Platform files: one a platform, chosen by configure.
PLATFORM_ALL := $(wildcard src/task/event_*.c src/task/switch_*)
PLATFORM := src/task/event_$(EVENT).c $(wildcard src/task/switch_$(SWITCH).*)
LIB_DIRS := base conf task zone net spool limit http upstream gate s3 sink ship ingest proxy status admin
LIB_SRC := $(filter-out $(PLATFORM_ALL),$(foreach d,$(LIB_DIRS),$(wildcard src/$d/*.c))) $(wildcard $(PLATFORM))
LIB_OBJ := $(patsubst src/%,$(B)/obj/%.o,$(LIB_SRC))
SERVER_OBJ := $(patsubst src/%,$(B)/obj/%.o,$(wildcard src/server/*.c))

UNIT_SRC := $(wildcard test/unit/*/test_*.c)
UNIT_BIN := $(patsubst test/%.c,$(B)/test/%,$(UNIT_SRC))

all: $(B)/libsluice.a $(if $(SERVER_OBJ),$(B)/sluice)

$(B)/sluice: $(SERVER_OBJ) $(B)/libsluice.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(SERVER_OBJ) $(B)/libsluice.a $(LIBS)

$(B)/libsluice.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(B)/obj/%.c.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.S.o: src/%.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/test/unit/%: test/unit/%.c $(B)/libsluice.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itest $(ALL_CFLAGS) -MMD -MP -o $@ $< $(B)/libsluice.a -lcmocka $(LIBS)

check-unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "$$t"; $$t || exit 1; done

clean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(SERVER_OBJ:.o=.d) $(UNIT_BIN:=.d)
.PHONY: all check-unit clean
