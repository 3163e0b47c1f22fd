#!/bin/sh
# rivulet-new-task NAME: writes a starter for a task of one's own, with a Makefile and a test. See
# rivulet-new-task(1). `make` and `make install` fill in what stands between two @.
set -eu

version='@VERSION@'
# Where the headers are, when pkg-config knows no rivulet.
include='@INCLUDE@'

usage() {
  cat <<'END'
usage: rivulet-new-task [--force] NAME

writes a task for queuereader into the folder NAME: NAME.cc, a Makefile, and a
test that runs it over messages.jsonl

  --force      write over the files of an earlier run
  --help       print this and exit
  --version    print the version and exit

example:
  rivulet-new-task longest && make -C longest test
  queuereader --source=http://127.0.0.1:8081 --task=longest/longest.so
END
}

refuse() {
  echo "rivulet-new-task: $1" >&2
  exit 2
}

force=
name=
for argument; do
  case $argument in
    --help)
      usage
      exit 0
      ;;
    --version)
      echo "rivulet-new-task $version"
      exit 0
      ;;
    --force) force=1 ;;
    -*) refuse "$argument is unknown: must be --force, --help or --version" ;;
    *)
      [ -z "$name" ] || refuse "$argument is one NAME too many"
      name=$argument
      ;;
  esac
done
[ -n "$name" ] || refuse "NAME is missing: the name of the task, such as longest"
case $name in
  [a-z]*) ;;
  *) refuse "$name must begin with a letter from a to z" ;;
esac
case $name in
  *[!a-z0-9_]*) refuse "$name must be letters from a to z, digits and '_'" ;;
esac
[ "${#name}" -le 64 ] || refuse "$name must have at most 64 letters"

# longest_word -> LongestWordTask. With its ending it is no name of the base class, nor of what that
# has.
class=$(echo "$name" | awk -F_ '{ for (i = 1; i <= NF; ++i) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2) }')Task

if [ -e "$name" ] && [ -z "$force" ]; then
  echo "rivulet-new-task: $name is there already: --force writes over its files" >&2
  exit 1
fi
mkdir -p "$name" || exit 1
cd "$name"

cat >"$name.cc" <<END
// $name: adds up a number of every message.
//
//   queuereader --source=http://127.0.0.1:8081 --task=./$name.so:field=number
//
// Arguments: field (default: number), the path of the number in the message.
#include <cstdint>
#include <cstdio>
#include <string>

#include "queuereader/task.h"

class $class : public rivulet::Task {
 public:
  explicit $class(rivulet::TaskArgs& args) : field_(args.Text("field", "number")) {}

  // One message. Failed("why") has it tried again later; so has whatever is thrown here.
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context& context) override {
    const auto value = message.Number(field_);
    if (!value) {
      context.Count("skipped");
      return rivulet::Outcome::Done();
    }
    ++count_;
    sum_ += *value;
    return rivulet::Outcome::Done();
  }

  // What is shown at the end, in --stats-interval lines and at /tasks/NAME.
  void Summarize(rivulet::Summary& summary) const override {
    summary.Count("count", count_);
    summary.Number("sum", sum_);
  }

  // What a checkpoint keeps (--checkpoint-dir): each message counts once, whatever crashes.
  std::string Save() const override {
    char text[64];
    std::snprintf(text, sizeof text, "%llu %.17g", static_cast<unsigned long long>(count_), sum_);
    return text;
  }
  rivulet::Status Load(std::string_view saved) override {
    unsigned long long count = 0;
    if (std::sscanf(std::string(saved).c_str(), "%llu %lf", &count, &sum_) != 2) {
      return rivulet::InvalidArgument("the saved state is none of this task");
    }
    count_ = count;
    return {};
  }

 private:
  std::string field_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

RIVULET_TASK($class)
END

cat >Makefile <<END
# make: build $name.so; make test: run it over messages.jsonl.
CXX ?= g++
CXXFLAGS ?= -O2 -Wall -Wextra
RIVULET := \$(shell pkg-config --cflags rivulet 2>/dev/null || echo '-I$include -std=c++20 -fPIC')
QUEUEREADER ?= queuereader

$name.so: $name.cc
	\$(CXX) \$(RIVULET) \$(CXXFLAGS) -shared -o \$@ \$<

.PHONY: test clean
test: $name.so
	QUEUEREADER="\$(QUEUEREADER)" ./test.sh
clean:
	rm -f $name.so
END

cat >messages.jsonl <<'END'
{"number":1}
{"number":2.5}
{"text":"no number"}
{"number":-0.5}
END

cat >expected_output.txt <<'END'
{"count":3,"sum":3}
END

cat >test.sh <<END
#!/bin/sh
# The task over messages.jsonl must find what expected_output.txt says.
set -eu
cd "\$(dirname "\$0")"
found=\$("\${QUEUEREADER:-queuereader}" --source=file:messages.jsonl --task=./$name.so \\
  --summary-format=json --log-level=warning | sed 's/.*"summary":\\({[^}]*}\\).*/\\1/')
if [ "\$found" = "\$(cat expected_output.txt)" ]; then
  echo "$name: passed"
else
  echo "$name: found \$found where expected_output.txt says \$(cat expected_output.txt)" >&2
  exit 1
fi
END
chmod +x test.sh

echo "wrote $name/$name.cc, $name/Makefile, $name/messages.jsonl, $name/expected_output.txt and $name/test.sh"
echo "next: make -C $name test"
