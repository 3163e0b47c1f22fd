// What a task's child says, whatever it is, three ways, told by the first byte:
//   frames   its answers to three messages: taken to the end or broken for a reason, and the same
//            when they come byte by byte
//   ready    what it says of its task
//   summary  what is read of a summary, written again, reads the same
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "queuereader/child/task_host_frames.h"
#include "queuereader/child/task_host_summary.h"
#include "queuereader/json_message.h"
#include "store/memory_store.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "task_host_fuzz: %s\n", what);
  std::abort();
}

class FuzzContext final : public Context {
 public:
  void Emit(std::string_view, std::string_view) override {}
  void Count(std::string_view, std::uint64_t) override {}
  Store& store() override { return store_; }
  WallTime now() const override { return {}; }
  void Log(std::string_view line) override { said.append("L").append(line); }
  std::string said;

 private:
  MemoryStore store_;
};

/// All that is taken of `bytes`, of which `step` come at a time.
std::string Transcript(std::string_view bytes, std::size_t step) {
  using Took = ChildDialect::Took;
  HostDialect dialect({"a"});
  FuzzContext context;
  JsonMessage message;
  message.Bind({"1", nullptr, 1, {}, "id"});
  std::string sent;
  for (int i = 0; i < 3; ++i) dialect.AppendMessage(&sent, message);
  ChildAnswer answer;
  std::size_t begin = 0;
  for (std::size_t end = std::min(step, bytes.size());;) {
    std::string_view rest = bytes.substr(begin, end - begin);
    std::string reply;
    std::string why;
    const Took took = dialect.Take(&rest, context, &answer, &reply, &why);
    begin = end - rest.size();
    context.said += reply;
    if (took == Took::kBroken) {
      Require(!why.empty(), "broken for no reason");
      return context.said + "broken";
    }
    if (took == Took::kAnswer) {
      context.said += answer.outcome.why() + "|" + std::to_string(answer.emissions.size());
      for (const auto& [counter, by] : answer.counters) context.said += counter;
      answer = {};
    }
    if (took != Took::kNothing) continue;
    if (end == bytes.size()) break;
    end = std::min(end + step, bytes.size());
  }
  Require(dialect.log().size() <= 3, "more was remembered than was sent");
  return context.said;
}

void OneSummary(std::string_view bytes) {
  HostSummaryWriter first;
  if (!ReadHostSummary(bytes, first).ok()) return;
  const std::string written = first.Finish();
  HostSummaryWriter second;
  Require(ReadHostSummary(written, second).ok(), "a summary that is written does not read");
  Require(second.Finish() == written, "a summary reads as another");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: {
      const std::string whole = Transcript(bytes, bytes.size() + 1);
      if (bytes.size() < 4096) Require(whole == Transcript(bytes, 1), "byte by byte is another");
      break;
    }
    case 1: {
      const auto ready = ReadHostReady(bytes);
      if (ready.ok()) Require(ReadHostReady(WriteHostReady(*ready)).ok(), "ready does not read");
      break;
    }
    default:
      OneSummary(bytes);
  }
  return 0;
}
