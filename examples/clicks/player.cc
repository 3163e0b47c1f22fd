// player: publishes the lines of a file to a pubsub, one message a line.
//
//   player --url=http://127.0.0.1:8080 --rate=1000 --input=clicks.jsonl
//
// A request carries up to --batch messages. What counts as published is what the pubsub
// acknowledged. A batch that was refused, or whose answer did not come, ends the run unless
// --retry-max is given: a batch without an answer may have been taken, so that a retry may publish
// it twice.
#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/options.h"
#include "base/units.h"
#include "examples/clicks/lines.h"
#include "examples/clicks/progress.h"
#include "http/client.h"

namespace rivulet::clicks {
namespace {

struct Config {
  std::string url = "http://127.0.0.1:8080";
  std::string topic = "default";
  std::string input = "-";
  double rate = 0;  // messages a second; 0: as fast as taken
  std::uint64_t batch = 100;
  std::uint64_t retry_max = 0;
  Duration retry_delay = std::chrono::milliseconds(500);
  Duration timeout = std::chrono::seconds(30);
  bool loop = false;
};

/// N of "Published N messages to M clients.", or nothing.
std::optional<std::uint64_t> AcknowledgedCount(std::string_view answer) {
  constexpr std::string_view kStart = "Published ";
  if (!answer.starts_with(kStart)) return std::nullopt;
  answer.remove_prefix(kStart.size());
  auto count = ParseUint(answer.substr(0, answer.find(' ')));
  return count.ok() ? std::optional(*count) : std::nullopt;
}

/// One batch after the other: read, wait for its time, send, and the next when it is acknowledged.
class Player {
 public:
  Player(EventLoop& loop, const Clock& clock, const Config& config, LineReader lines)
      : loop_(loop),
        clock_(clock),
        config_(config),
        lines_(std::move(lines)),
        client_(loop),
        next_(loop, [this] { Send(); }),
        start_(clock.Now()),
        progress_(start_) {}

  void Begin() { ReadBatch(); }

  /// Ends after the batch that is on its way.
  void Stop() {
    stopping_ = true;
    if (!call_.active()) End(0);
  }

  /// Says what was published; the exit status.
  int Report() {
    progress_.Clear();
    const double seconds = std::chrono::duration<double>(clock_.Now() - start_).count();
    fmt::print("published {} messages in {:.3f} s ({:.0f} a second)", published_, seconds,
               static_cast<double>(published_) / std::max(seconds, 1e-9));
    if (retries_ > 0) fmt::print(", {} {}", retries_, retries_ == 1 ? "retry" : "retries");
    fmt::print("\n");
    return status_;
  }

 private:
  void ReadBatch() {
    auto count = lines_.Read(BatchLimit(), &batch_);
    if (count.ok() && *count == 0 && config_.loop && published_ > 0) {
      if (auto status = lines_.Rewind(); !status.ok()) return Fail(status.message());
      count = lines_.Read(BatchLimit(), &batch_);
    }
    if (!count.ok()) return Fail(count.status().message());
    if (*count == 0) return End(0);
    count_ = *count;
    tries_ = 0;
    next_.Start(UntilDue());
  }

  /// At a given rate, small enough that fifty batches go out a second.
  std::uint64_t BatchLimit() const {
    if (config_.rate <= 0) return config_.batch;
    const auto share = static_cast<std::uint64_t>(config_.rate / 50);
    return std::clamp<std::uint64_t>(share, 1, config_.batch);
  }

  /// A batch is due when the rate allows its last message.
  Duration UntilDue() const {
    if (config_.rate <= 0) return Duration::zero();
    const auto allowed =
        std::chrono::duration<double>(static_cast<double>(published_ + count_) / config_.rate);
    const auto due = start_ + std::chrono::duration_cast<Duration>(allowed);
    return std::max(Duration::zero(), due - clock_.Now());
  }

  void Send() {
    ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("{}/pub?topic={}", config_.url, config_.topic);
    if (config_.topic == "default") request.url = config_.url + "/pub";
    request.headers = {"Content-Type: application/octet-stream"};
    request.body = ClientBody(std::string_view(batch_), nullptr);
    request.timeout = config_.timeout;
    call_ = client_.Start(std::move(request),
                          [this](const ClientResponse& response) { OnAnswer(response); });
  }

  void OnAnswer(const ClientResponse& response) {
    if (!response.ok()) return OnRefusal(response);
    const auto acknowledged = AcknowledgedCount(response.body);
    if (acknowledged != count_) {
      return Fail(fmt::format("{}: sent {} messages, but the answer was: {}", response.endpoint,
                              count_, response.body.substr(0, 200)));
    }
    published_ += count_;
    progress_.Show(published_, config_.loop ? -1 : lines_.Fraction(), clock_.Now());
    if (stopping_) return End(0);
    ReadBatch();
  }

  void OnRefusal(const ClientResponse& response) {
    if (stopping_ || tries_ == config_.retry_max) {
      return Fail(fmt::format("{}; {} messages not acknowledged", response.Describe(), count_));
    }
    ++tries_;
    ++retries_;
    progress_.Clear();
    fmt::print(stderr, "player: {}; try {} of {} in {}\n", response.Describe(), tries_ + 1,
               config_.retry_max + 1, FormatDuration(config_.retry_delay));
    next_.Start(config_.retry_delay);
  }

  void Fail(std::string_view why) {
    progress_.Clear();
    fmt::print(stderr, "player: {}\n", why);
    End(1);
  }

  void End(int status) {
    status_ = status;
    next_.Cancel();
    loop_.Stop();
  }

  EventLoop& loop_;
  const Clock& clock_;
  const Config& config_;
  LineReader lines_;
  Client client_;
  ClientCall call_;
  Timer next_;
  MonoTime start_;
  Progress progress_;
  std::string batch_;        // the batch in hand, unchanged until it is acknowledged
  std::uint64_t count_ = 0;  // its messages
  std::uint64_t tries_ = 0;  // of the batch in hand that failed
  std::uint64_t published_ = 0;
  std::uint64_t retries_ = 0;
  bool stopping_ = false;
  int status_ = 0;
};

void AddOptions(Options* options, Config* config) {
  options->Text("url", &config->url, "the pubsub").Metavar("URL");
  options->Text("topic", &config->topic, "the topic to publish to").Metavar("NAME");
  options->Text("input", &config->input, "a file with a message a line; - is standard input")
      .Metavar("FILE");
  options->Real("rate", &config->rate, "messages a second; 0: as fast as they are taken")
      .Metavar("N")
      .Range(0, 1e9);
  options->Uint("batch", &config->batch, "most messages in a request").Metavar("N").Range(1, 1e6);
  options->Flag("loop", &config->loop, "start the file over at its end, until stopped");
  options->Uint("retry-max", &config->retry_max, "tries more for a batch that was not taken")
      .Metavar("N")
      .Range(0, 1e6);
  options->Time("retry-delay", &config->retry_delay, "time between them").Metavar("TIME");
  options->Time("timeout", &config->timeout, "time an answer may take").Metavar("TIME");
}

}  // namespace
}  // namespace rivulet::clicks

int main(int argc, char** argv) {
  using namespace rivulet;
  clicks::Config config;
  Options options("player", "publishes the lines of a file to a pubsub");
  clicks::AddOptions(&options, &config);
  if (auto code = options.Parse(argc, argv)) return *code;
  while (config.url.ends_with('/')) config.url.pop_back();
  if (config.loop && config.input == "-") {
    return options.Fail("--loop needs --input=FILE; standard input cannot be started over");
  }
  auto lines = clicks::LineReader::Open(config.input);
  if (!lines.ok()) {
    fmt::print(stderr, "player: {}\n", lines.status().message());
    return 1;
  }

  const SystemClock clock;
  EventLoop loop;
  clicks::Player player(loop, clock, config, std::move(*lines));
  const SignalWatcher interrupted(loop, SIGINT, [&player] { player.Stop(); });
  const SignalWatcher terminated(loop, SIGTERM, [&player] { player.Stop(); });
  loop.Post([&player] { player.Begin(); });
  loop.Run();
  return player.Report();
}
