// Whatever bytes come: a reader whose task fails gives them back as a valid envelope around the
// very bytes of the data, with a try more, and takes that envelope as it was meant.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "queuereader/envelope.h"
#include "queuereader/reader.h"

namespace {

using namespace rivulet;
using Next = Verdict::Next;

constexpr int kTriesRead = 1'000'000;  // the most that an envelope may say
constexpr std::string_view kOurs[] = {"data", "tries", "retry_on", "started", "tasks_left"};

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "envelope_fuzz: %s\n", what);
  std::abort();
}

struct Fails final : Task {
  Outcome Run(const Message& message, Context&) override {
    ++runs;
    text = message.text();
    return Outcome::Failed("no");
  }
  int runs = 0;
  std::string text;
};

/// A message read for itself.
struct Reading {
  explicit Reading(std::string_view text) : bytes(text) {
    valid = document.Parse(bytes).ok() && ReadEnvelope(document.root(), &envelope).ok();
    if (!valid) return;
    AppendJson(&data, *envelope.data);
    if (!envelope.wrapped) return;
    const JsonValue& root = document.root();
    for (const auto& member : root.GetObject()) {
      if (std::find(std::begin(kOurs), std::end(kOurs), JsonText(member.name)) != std::end(kOurs)) {
        continue;
      }
      AppendJsonString(&foreign, JsonText(member.name));
      AppendJson(&foreign, member.value);
    }
  }

  std::string bytes;
  JsonDocument document;
  Envelope envelope;
  bool valid = false;
  std::string data;     // compact
  std::string foreign;  // members that are not ours, compact
};

/// What came back after a failed try of `from`.
void CheckRetry(const Reading& from, const Reading& back) {
  Require(back.valid && back.envelope.wrapped, "wrote no envelope");
  const std::string_view text = DataText(from.bytes, from.envelope);
  Require(DataText(back.bytes, back.envelope) == text, "the data's bytes have changed");
  Require(back.data == from.data, "the data has changed");
  Require(back.foreign == from.foreign, "members that are not ours have changed");
  Require(back.envelope.tries == std::min(from.envelope.tries + 1, kTriesRead), "tries is wrong");
  Require(back.envelope.names_tasks && back.envelope.started, "a member is missing");
  if (from.envelope.names_tasks) {
    auto sorted = [](std::vector<std::string_view> names) {
      std::sort(names.begin(), names.end());
      return names;
    };
    Require(sorted(back.envelope.tasks_left) == sorted(from.envelope.tasks_left),
            "tasks_left has changed");
  } else {
    Require(back.envelope.tasks_left == std::vector<std::string_view>{"fails"},
            "tasks_left is not every task");
  }
  JsonDocument alone;
  Require(alone.Parse(text).ok(), "the data's bytes are no JSON");
  std::string written;
  AppendJson(&written, alone.root());
  Require(written == from.data, "the data's bytes are not the data");
}

class Harness {
 public:
  Harness() {
    ReaderTasks tasks;
    auto task = std::make_unique<Fails>();
    task_ = task.get();
    tasks.all_tasks.push_back({"fails", std::move(task)});
    config_.max_tries = 2'000'000;
    config_.requeue_delay = std::chrono::milliseconds(1);
    reader_ = std::make_unique<Reader>(config_, std::move(tasks), ReaderSurroundings{});
  }

  Verdict Handle(std::string_view bytes, WallTime now, std::string_view crash = {}) {
    const Incoming incoming[] = {{bytes, {}, crash}};
    reader_->Handle(incoming, now, &verdicts_);
    Require(verdicts_.size() == 1, "not one verdict");
    return verdicts_[0];
  }

  void Check(std::string_view bytes) {
    const Reading from(bytes);
    WallTime now(std::chrono::seconds(1'331'923'247));
    Verdict verdict = Handle(bytes, now);
    Require((verdict.next == Next::kMalformed) == !from.valid, "malformed, or not");
    if (!from.valid) return;
    if (verdict.next == Next::kHold) {
      Require(from.envelope.retry_on && *from.envelope.retry_on > now, "held without need");
      Require(verdict.due == *from.envelope.retry_on, "due at another time");
      now = verdict.due;
      verdict = Handle(bytes, now);
    }
    if (from.envelope.names_tasks && from.envelope.tasks_left.empty()) {
      Require(verdict.next == Next::kFinished, "nothing is left, and it is not finished");
      return;
    }
    Require(verdict.next == Next::kRequeue, "not requeued");
    const Reading back(verdict.body);
    CheckRetry(from, back);
    Require(back.envelope.retry_on == verdict.due, "retry_on is not when it is due");

    task_->runs = 0;
    const Verdict again = Handle(verdict.body, verdict.due);
    Require(again.next == Next::kRequeue, "not requeued again");
    CheckRetry(back, Reading(again.body));
    if (task_->runs != 0) {
      Require(task_->text == DataText(from.bytes, from.envelope), "the task saw other bytes");
    }
    const Verdict charged = ChargeTry(bytes, config_, {"fails"}, now, "crashed");
    Require(charged.body == Handle(bytes, now, "crashed").body, "a charged try is another one");
    CheckRetry(from, Reading(charged.body));
  }

 private:
  ReaderConfig config_;
  Fails* task_ = nullptr;
  std::unique_ptr<Reader> reader_;
  std::vector<Verdict> verdicts_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Harness harness;
  const std::string text(reinterpret_cast<const char*>(data), size);
  harness.Check(text);
  // Deeper: what is valid as data, as the data of an envelope.
  harness.Check("{\"data\":" + text +
                ",\"tries\":3,\"x\":[1],\"tasks_left\":[\"fails\",\"gone\"]}");
  return 0;
}
