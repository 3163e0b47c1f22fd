// What a program says as a task, whatever it says. The first byte tells in what pieces the rest
// comes:
//   - an answer that is taken is an outcome whose data and emissions are JSON, or text
//   - bytes cut anywhere are the same answers as the whole
//   - a checkpoint of a program's state is read back as it was, or refused
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "queuereader/child/exec_protocol.h"

namespace {

using namespace rivulet;
using Took = ChildDialect::Took;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "exec_answer_fuzz: %s\n", what);
  std::abort();
}

class NoContext final : public Context {
 public:
  void Emit(std::string_view, std::string_view) override { std::abort(); }
  void Count(std::string_view, std::uint64_t) override { std::abort(); }
  Store& store() override { std::abort(); }
  WallTime now() const override { return {}; }
  void Log(std::string_view) override { std::abort(); }
};

void OneLine(std::string_view line) {
  JsonDocument json;
  const auto answer = ParseExecAnswer(line);
  Require(answer.ok() || answer.status().message().size() < 1000, "an endless complaint");
  if (answer.ok()) {
    Require(json.Parse(line).ok(), "an answer that is not JSON");
    if (answer->outcome.kind() == Outcome::Kind::kReplace) {
      Require(json.Parse(answer->outcome.data()).ok(), "data that are not JSON");
    }
    for (const auto& [output, message] : answer->emissions) {
      Require(json.Parse(message).ok() || IsValidUtf8(message), "an emission of other bytes");
    }
  }
  const auto state = ParseExecState(line);
  if (!state.ok()) return;
  Require(json.Parse(*state).ok(), "a state that is not JSON");
}

/// Each answer's outcome, and what was left of the bytes or wrong with them.
std::vector<std::string> Taken(std::string_view bytes, std::size_t piece) {
  ExecDialect dialect({"a"}, nullptr);
  NoContext context;
  std::vector<std::string> all;
  std::string waiting;
  std::string reply;
  std::string why;
  while (!bytes.empty()) {
    waiting += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    std::string_view rest = waiting;
    while (true) {
      ChildAnswer answer;
      const Took took = dialect.Take(&rest, context, &answer, &reply, &why);
      if (took == Took::kNothing) break;
      all.push_back(took == Took::kBroken ? why : answer.outcome.why());
      if (took == Took::kBroken) return all;
    }
    waiting.erase(0, waiting.size() - rest.size());
  }
  all.push_back(waiting);
  return all;
}

void Checkpoint(std::string_view bytes) {
  ExecState state;
  if (!state.Decode(bytes).ok()) return;
  ExecState again;
  const std::string encoded = state.Encode();
  Require(encoded.empty() || again.Decode(encoded).ok(), "a checkpoint that cannot be read");
  Require(again.Replay() == state.Replay(), "a checkpoint of another state");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  OneLine(bytes.substr(0, bytes.find('\n')));
  Require(Taken(bytes, 1 + data[0]) == Taken(bytes, bytes.size()), "pieces say another thing");
  Checkpoint(bytes);
  Checkpoint("exec state 1\n" + std::string(bytes));
  return 0;
}
