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

PROGRAMS := pubsub simplequeue ps_to_http queuereader
LIB_DIRS := base http algorithms tasks $(PROGRAMS)

CXX ?= g++
ifeq ($(FLAVOUR),fuzz)
CXX := clang++
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CPPFLAGS += -I. -isystem third_party/include -D_FILE_OFFSET_BITS=64 -DRAPIDJSON_HAS_STDSTRING=1
CXXFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CXXFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS
CXXFLAGS_tsan := -O1 -g -fsanitize=thread
CXXFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CXXFLAGS_ALL = -std=c++20 -fPIC -pthread $(WARNINGS) $(CXXFLAGS_$(FLAVOUR)) $(CXXFLAGS)
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_fuzz := -fsanitize=address,undefined
LDFLAGS_ALL = -pthread -Wl,--as-needed $(LDFLAGS_$(FLAVOUR)) $(LDFLAGS)
LIBS := -levent_core -levent_pthreads -lcurl -lfmt -ldl

LIB_SRCS := $(filter-out %/main.cc,$(wildcard $(addsuffix /*.cc,$(LIB_DIRS))))
UNIT_DIRS ?= $(LIB_DIRS)
UNIT_SRCS := tests/unit/main.cc $(wildcard $(addsuffix /*_test.cc,$(addprefix tests/unit/,$(UNIT_DIRS))))
obj = $(patsubst %.cc,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/librivulet.a
PROGRAM_BINS := $(foreach p,$(PROGRAMS),$(if $(wildcard $(p)/main.cc),$(BIN)/$(p)))

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAM_BINS)  ## build the programs into build/bin

$(BUILD)/obj/%.o: %.cc Makefile
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

$(LIB): $(call obj,$(LIB_SRCS))
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(foreach p,$(PROGRAMS),$(eval $(BIN)/$(p): $(BUILD)/obj/$(p)/main.o $(LIB)))
$(PROGRAM_BINS):
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) $(LDFLAGS_$(@F)) $(filter %.o,$^) $(LIB) $(LIBS) -o $@

$(BUILD)/unit_tests: $(call obj,$(UNIT_SRCS)) $(LIB)
	$(CXX) $(LDFLAGS_ALL) $(filter %.o,$^) $(LIB) $(LIBS) -o $@

.PHONY: unit
unit: $(BUILD)/unit_tests  ## build and run the unit tests of this flavour
	$(BUILD)/unit_tests

-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRCS) $(UNIT_SRCS) $(wildcard $(addsuffix /main.cc,$(PROGRAMS)))))
