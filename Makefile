# rivulet: `make help` lists what can be made.
#
# Each flavour has its own build folder: build/release (programs in build/bin), build/asan,
# build/tsan, build/fuzz. `make FLAVOUR=asan` builds another flavour.

FLAVOUR ?= release
BUILD := build/$(FLAVOUR)
BIN := $(if $(filter release,$(FLAVOUR)),build/bin,$(BUILD)/bin)
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 30
# As many jobs as cores, unless the caller says -j.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# A daemon is DIR/main.cc; rivulet-journal is journal/main.cc, rivulet-graph is graph/main.cc.
PROGRAMS := pubsub simplequeue ps_to_http ps_to_file file_to_http queuereader collector bandit rivulet-journal rivulet-graph
LIB_DIRS := base http journal bridge store algorithms graph tasks pubsub simplequeue ps_to_http ps_to_file file_to_http queuereader queuereader/source queuereader/runner queuereader/child queuereader/report collector bandit
main_dir = $(patsubst rivulet-%,%,$(1))

# V=1 shows the commands.
V ?=
say = $(if $(V),,@echo "  $(1)";)

CXX ?= g++
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
# clang compiles ASan and UBSan in two thirds of the time; where it is missing, g++ does.
ifneq ($(filter asan fuzz,$(FLAVOUR)),)
CXX := $(or $(notdir $(firstword $(shell command -v clang++-14 clang++ 2>/dev/null))),$(CXX))
# g++ is the compiler whose warnings are errors; clang-tidy reports clang's.
WARNINGS := -Wall -Wextra
endif
CPPFLAGS += -I. -D_FILE_OFFSET_BITS=64 -DRAPIDJSON_HAS_STDSTRING=1
CXXFLAGS_release := -O2 -g1 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# g++ 12 warns of the standard library's own uninitialized members where code is instrumented.
# clang 14 does not say in a macro, as g++ does, that it instruments: tests take fewer steps then.
# -O0, for UBSan's checks cost the optimizer more than they gain by it: -O1 compiles twice as long, and the tests run as long.
# UBSan's check for null at every access is left to ASan, which reports the access itself; a call of a
# member by a null pointer that accesses nothing is seen by the fuzz flavour alone.
CXXFLAGS_asan := -O0 -g1 $(if $(findstring clang,$(CXX)),-D__SANITIZE_ADDRESS__=1,-Wno-maybe-uninitialized) -fsanitize=address,undefined -fno-sanitize=null -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS
CXXFLAGS_tsan := -O1 -g1 -Wno-maybe-uninitialized -fsanitize=thread
CXXFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# Tests are compiled more often than they run: their own code is not optimized, nor looked at for what
# only the sources' is.
TEST_OBJS := $(BUILD)/obj/tests/%.o $(BUILD)/joined/tests/%.o $(BUILD)/joined/tests/%.gch
comma := ,
$(TEST_OBJS): CXXFLAGS_release := -O0 -g0
$(TEST_OBJS): CXXFLAGS_tests := -DDOCTEST_CONFIG_SUPER_FAST_ASSERTS $(if $(filter asan,$(FLAVOUR)),-fno-sanitize=vptr$(comma)alignment)
CXXFLAGS_ALL = -std=c++20 -fPIC -pthread $(WARNINGS) $(CXXFLAGS_$(FLAVOUR)) $(CXXFLAGS_tests) $(CXXFLAGS)
# Of many sources as one: g++ collects garbage a twentieth of the time, unless it may keep some.
JOINED_FLAGS = $(if $(findstring clang,$(CXX)),,--param ggc-min-heapsize=1000000) $(JOINED_FLAGS_tests)
# One test's constant is no other one's.
$(BUILD)/joined/tests/%.o: JOINED_FLAGS_tests := -Wno-shadow
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=address,undefined
LDFLAGS_ALL = -pthread -Wl,--as-needed $(LDFLAGS_$(FLAVOUR)) $(LDFLAGS)
LIBS := -levent_core -lcurl -lhiredis -lfmt -lwslay -lre2 -lzstd -lz -lcrypto -ldl

LIB_SRCS := $(filter-out %/main.cc,$(wildcard $(addsuffix /*.cc,$(LIB_DIRS))))
# Files that are built into the programs as they are (.incbin), by folder.
LIB_ASSETS := $(wildcard $(addsuffix /*.S,$(LIB_DIRS)))
UNIT_DIRS ?= $(LIB_DIRS) algorithms/bandit bench
UNIT_SRCS := tests/unit/main.cc $(wildcard $(addsuffix /*_test.cc,$(addprefix tests/unit/,$(UNIT_DIRS))))
obj = $(patsubst %.cc,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/librivulet.a

# So many sources of a folder are compiled as one where a tree is made from nothing; that takes a third
# of the time. File by file (JOIN=) only what changed is made again, and each file is seen to include
# what it needs.
#
# A tree in which nothing was made file by file stays joined; `make JOIN=` once makes it the other kind,
# which whoever edits wants. So is one where no Python is there to join them.
JOIN ?= $(if $(wildcard $(BUILD)/obj/base/*.o),,$(if $(shell command -v $(PYTHON)),16))
JOIN_TESTS ?= $(if $(JOIN),24)
# $(call objects_of,SOURCES,HOW MANY AS ONE,NAME,OPTION OF joined.py)
objects_of = $(if $(2),$(patsubst %.cc,%.o,$(shell $(PYTHON) -B scripts/joined.py $(4) $(2) $(BUILD)/joined/$(3) $(1))),$(call obj,$(1)))
# A program that asks for one source gets all that is joined with it, and its libraries, as memory that
# tests measure: in a release what servers are made of is joined by what it needs.
BY_LIBRARY := $(if $(filter release,$(FLAVOUR)),$(wildcard $(addsuffix /*.cc,base http journal pubsub simplequeue)))
LIB_OBJS := $(call objects_of,$(filter-out $(BY_LIBRARY),$(LIB_SRCS)),$(JOIN),lib) \
  $(if $(BY_LIBRARY),$(call objects_of,$(filter $(BY_LIBRARY),$(LIB_SRCS)),$(JOIN),servers,--by-library)) $(patsubst %.S,$(BUILD)/obj/%.o,$(LIB_ASSETS))
# main.cc by itself: it includes doctest as nobody else does.
UNIT_OBJS := $(call obj,tests/unit/main.cc) $(call objects_of,$(filter-out tests/unit/main.cc,$(UNIT_SRCS)),$(JOIN_TESTS),tests,--any-folder)
PROGRAM_BINS := $(foreach p,$(PROGRAMS),$(if $(wildcard $(call main_dir,$(p))/main.cc),$(BIN)/$(p)))

# Programs that are scripts: NAME from its source, with the version and where the headers are.
SCRIPTS := $(BIN)/rivulet-new-task
$(BIN)/rivulet-new-task: queuereader/new_task.sh base/version.h
	@mkdir -p $(@D)
	@sed 's|@VERSION@|$(VERSION)|; s|@INCLUDE@|$(CURDIR)|' $< >$@ && chmod +x $@

.DEFAULT_GOAL := all
.SECONDEXPANSION:
# Objects are kept, so that a second make does nothing.
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all
all: $(PROGRAM_BINS) $(SCRIPTS)  ## build the programs into build/bin

$(BUILD)/obj/%.o: %.cc Makefile
	@mkdir -p $(@D)
	$(call say,CXX $<)$(CXX) $(CPPFLAGS) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

$(BUILD)/joined/%.o: $(BUILD)/joined/%.cc $(BUILD)/joined/$$(*D)/precompiled.h.gch Makefile
	$(call say,CXX $<)scripts/compile_joined.sh $< $@ $(CXX) $(CPPFLAGS) $(CXXFLAGS_ALL) $(JOINED_FLAGS)

# scripts/precompiled.h, read once for all objects of a folder, which have the same options.
$(foreach of,lib servers tests,$(BUILD)/joined/$(of)/precompiled.h.gch): $(BUILD)/joined/%/precompiled.h.gch: scripts/precompiled.h Makefile
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $< $(if $(filter tests,$*),doctest/doctest.h) >$(@:.gch=)
	$(call say,CXX $(@:.gch=))$(CXX) $(CPPFLAGS) $(CXXFLAGS_ALL) $(if $(findstring clang,$(CXX)),-fpch-instantiate-templates) -MMD -MP -MT $@ -MF $(@:.gch=.d) -x c++-header $(@:.gch=) -o $@

# The pages' parts: see http/page_assets.S; the browser's script: collector/script_asset.S.
$(BUILD)/obj/%.o: %.S $(wildcard http/page/* collector/*.js) Makefile
	@mkdir -p $(@D)
	$(call say,AS $<)$(CXX) -c $< -o $@

# Says which objects the library has, and changes only with them: a source that goes or comes back
# makes a new archive.
$(BUILD)/library.list: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJS)' | cmp -s - $@ || echo '$(LIB_OBJS)' >$@
.PHONY: FORCE
FORCE:

# q, not r: members of different folders share names.
$(LIB): $(LIB_OBJS) $(BUILD)/library.list
	@rm -f $@
	$(call say,AR $@)ar qcs $@ $(filter %.o,$^)

$(foreach p,$(PROGRAMS),$(eval $(BIN)/$(p): $(BUILD)/obj/$(call main_dir,$(p))/main.o $(LIB)))
$(PROGRAM_BINS):
	@mkdir -p $(@D)
	$(call say,LINK $@)$(CXX) $(LDFLAGS_ALL) $(LDFLAGS_$(@F)) $(filter %.o,$^) $(LIB) $(LIBS) -o $@

$(BUILD)/unit_tests: $(UNIT_OBJS) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK $@)$(CXX) $(LDFLAGS_ALL) $(filter %.o,$^) $(LIB) $(LIBS) -o $@

# Programs of their own: examples/DIR/NAME.cc is a program, examples/DIR/NAME_task.cc a task that
# queuereader loads; bench/NAME.cc and tests/fuzz/NAME_fuzz.cc are programs.
EXAMPLE_SRCS := $(wildcard examples/*/*.cc)
EXAMPLES := $(patsubst %.cc,$(BUILD)/%,$(filter-out %_task.cc,$(EXAMPLE_SRCS))) \
  $(patsubst %.cc,$(BUILD)/%.so,$(filter %_task.cc,$(EXAMPLE_SRCS)))
BENCH_SRCS := $(wildcard bench/*.cc)
BENCHES := $(patsubst %.cc,$(BUILD)/%,$(BENCH_SRCS))
FUZZ_SRCS := $(wildcard tests/fuzz/*_fuzz.cc)
FUZZERS := $(patsubst tests/fuzz/%.cc,$(BUILD)/fuzzers/%,$(FUZZ_SRCS))

$(BUILD)/examples/%.so: $(BUILD)/obj/examples/%.o
	@mkdir -p $(@D)
	$(call say,LINK $@)$(CXX) -shared $(LDFLAGS_ALL) $< -lfmt -o $@

$(BUILD)/examples/% $(BUILD)/bench/%: $(BUILD)/obj/$$(subst $(BUILD)/,,$$@).o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK $@)$(CXX) $(LDFLAGS_ALL) $< $(LIB) $(LIBS) -o $@

# google-benchmark, behind the objects that need it.
$(BUILD)/bench/algorithms_bench $(BUILD)/bench/store_bench: LIBS += -lbenchmark

$(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK $@)$(CXX) $(LDFLAGS_ALL) -fsanitize=fuzzer $< $(LIB) $(LIBS) -o $@

# Another flavour, in its own folder whatever folder this one was told to use.
other = $(MAKE) -s --no-print-directory FLAVOUR=$(1) BUILD=build/$(1) BIN=build/$(1)/bin

.PHONY: deps
deps:  ## install what building and testing need (Debian packages; root or sudo)
	scripts/deps.sh build test lint

.PHONY: deps-build deps-test deps-store
deps-store: deps-build
	@$(if $(filter redis,$(STORE)),scripts/deps.sh --quiet redis)
deps-build:
	@scripts/deps.sh --quiet build
deps-test:
	@scripts/deps.sh --quiet build test

.PHONY: examples example-readers
examples: $(EXAMPLES)  ## build the examples into build/release/examples
# Those that tests run under a sanitizer.
example-readers: $(filter-out $(addprefix $(BUILD)/examples/,clicks/% store/% shop/%),$(EXAMPLES))

# memory, or redis: a server of its own.
STORE ?= memory
.PHONY: demo
demo: deps-build deps-store  ## play clicks through the whole pipeline (INPUT=FILE, RATE=N a second, STORE=redis)
	@$(MAKE) -s --no-print-directory all $(BUILD)/examples/clicks/generate
	@RIVULET_BIN_DIR=$(BIN) RIVULET_EXAMPLES_DIR=$(BUILD)/examples STORE=$(STORE) examples/clicks/demo.sh $(INPUT)

.PHONY: demo-shop
demo-shop: deps-build deps-store  ## a day of a shop whose pick a bandit learns (ARGS=--seconds=N, DRIFT=1, REFRESH=1000, STAY=600, STORE=redis)
	@$(MAKE) -s --no-print-directory all $(BUILD)/examples/shop/shop $(BUILD)/examples/shop/crowd
	@RIVULET_BIN_DIR=$(BIN) RIVULET_EXAMPLES_DIR=$(BUILD)/examples STORE=$(STORE) examples/shop/demo.sh $(ARGS)

# Threads live in base and in the journal; the tsan build holds just those, and so costs little.
TSAN_DIRS ?= base journal
TEST_ARGS ?=
.PHONY: test
test: deps-test  ## run every test: unit (also under ASan, UBSan and TSan), daemons, documents
	@$(MAKE) -s --no-print-directory all examples $(BUILD)/unit_tests
	+@$(call other,asan) all example-readers build/asan/unit_tests
	+@$(call other,tsan) LIB_DIRS="$(TSAN_DIRS)" UNIT_DIRS="$(TSAN_DIRS)" build/tsan/unit_tests
	@$(PYTHON) -B tests/run.py --bin=$(BIN) --build=$(BUILD) $(TEST_ARGS)

.PHONY: soak
soak: deps-test  ## the long torture tests: kills, faults, power cuts, a million ids (SOAK_ARGS=--seed=N)
	@$(MAKE) -s --no-print-directory all
	@$(PYTHON) -B tests/torture/torture.py --bin=$(BIN) --build=$(BUILD) $(SOAK_ARGS)

.PHONY: unit
unit: $(BUILD)/unit_tests  ## build and run the unit tests of this flavour
	$(BUILD)/unit_tests

.PHONY: asan tsan
asan:  ## build all under ASan and UBSan; run the unit and all daemon tests on it
	+@$(call other,asan) all examples build/asan/unit_tests
	@$(PYTHON) -B tests/run.py --bin=build/asan/bin --build=build/asan --flavours= $(TEST_ARGS)
tsan:  ## build all under TSan and run the unit tests
	+@$(call other,tsan) build/tsan/unit_tests
	build/tsan/unit_tests

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)
fuzz:  ## run each fuzz target for FUZZ_SECONDS (30)
	@scripts/deps.sh --quiet build fuzz
	+@$(call other,fuzz) fuzzers
	@scripts/fuzz.sh build/fuzz $(FUZZ_SECONDS)

.PHONY: benches bench bench-peers
benches: $(BENCHES)
# The table goes to build/, so that measuring changes no file of the repository; what is to be kept is
# written there by `make bench-peers RESULTS=bench/RESULTS.md`.
RESULTS ?= build/bench/RESULTS.md
bench: deps-build  ## measure, print the table and write it to build/bench/RESULTS.md
	@scripts/deps.sh --quiet bench
	@$(MAKE) -s --no-print-directory all benches
	@mkdir -p $(dir $(RESULTS))
	@BENCH_COMMAND='make bench' $(PYTHON) -B bench/run.py --bin=$(BIN) --bench=$(BUILD)/bench --output=$(RESULTS)
bench-peers: deps-build  ## the same beside the peers that Debian carries (RESULTS=bench/RESULTS.md keeps it)
	@scripts/deps.sh --quiet bench bench-peers
	@$(MAKE) -s --no-print-directory all benches
	@mkdir -p $(dir $(RESULTS))
	@BENCH_COMMAND='make bench-peers' $(PYTHON) -B bench/run.py --bin=$(BIN) --bench=$(BUILD)/bench --peers --output=$(RESULTS)

.PHONY: lint format
lint:  ## check include directions, format, clang-tidy, shell scripts, man pages
	@scripts/deps.sh --quiet build lint
	@$(PYTHON) -B scripts/lint
FORMATTED = $(sort $(shell find $(LIB_DIRS) bench examples tests -name '*.cc' -o -name '*.h'))
format:  ## format the C++ sources in place
	clang-format -i $(FORMATTED)

BASHCOMP := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system
INCLUDE := $(DESTDIR)$(PREFIX)/include/rivulet
PKGCONFIG := $(DESTDIR)$(PREFIX)/share/pkgconfig
# What a task in a shared object includes.
TASK_HEADERS := base/clock.h base/status.h store/store.h store/store_batch.h queuereader/task.h queuereader/task_args.h
VERSION = $(shell sed -n 's/.*kVersion.*"\(.*\)".*/\1/p' base/version.h)
.PHONY: install uninstall
install: all  ## install under PREFIX (/usr/local), below DESTDIR when packaging
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(BASHCOMP) $(UNITS) \
	  $(INCLUDE)/base $(INCLUDE)/queuereader $(INCLUDE)/store $(PKGCONFIG)
	for h in $(TASK_HEADERS); do install -m 644 $$h $(INCLUDE)/$$h || exit 1; done
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' packaging/rivulet.pc.in \
	  > $(PKGCONFIG)/rivulet.pc
	install -m 755 $(PROGRAM_BINS) $(DESTDIR)$(PREFIX)/bin
	sed 's|@VERSION@|$(VERSION)|; s|@INCLUDE@|$(PREFIX)/include/rivulet|' queuereader/new_task.sh \
	  > $(DESTDIR)$(PREFIX)/bin/rivulet-new-task
	chmod 755 $(DESTDIR)$(PREFIX)/bin/rivulet-new-task
	install -m 644 $(wildcard man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1
	for p in $(PROGRAMS) rivulet-new-task; do \
	  install -m 644 packaging/completions/rivulet.bash $(BASHCOMP)/$$p || exit 1; done
	for u in packaging/systemd/*.service; do \
	  sed 's|@BIN@|$(PREFIX)/bin|' $$u > $(UNITS)/$${u##*/} || exit 1; done
uninstall:  ## remove what install put there
	rm -f $(foreach p,$(PROGRAMS) rivulet-new-task,$(DESTDIR)$(PREFIX)/bin/$(p) $(BASHCOMP)/$(p))
	rm -f $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/*.1))
	rm -rf $(INCLUDE) $(PKGCONFIG)/rivulet.pc
	rm -f $(patsubst packaging/systemd/%,$(UNITS)/%,$(wildcard packaging/systemd/*.service))

.PHONY: clean help
clean:  ## remove everything that was built
	rm -rf build
help:  ## show this list
	@echo "make TARGET [FLAVOUR=release|asan|tsan|fuzz] [JOIN= (file by file: for who edits)]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

-include $(wildcard $(BUILD)/joined/*/precompiled.h.d) $(patsubst %.o,%.d,$(LIB_OBJS) $(UNIT_OBJS) $(call obj,$(EXAMPLE_SRCS) $(BENCH_SRCS) \
  $(FUZZ_SRCS) $(wildcard $(foreach p,$(PROGRAMS),$(call main_dir,$(p))/main.cc))))
