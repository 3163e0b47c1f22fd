#include "queuereader/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "base/frames.h"
#include "base/token_file.h"
#include "base/units.h"
#include "bridge/dead_letters.h"
#include "bridge/delivery.h"
#include "bridge/message_log.h"
#include "bridge/options.h"
#include "http/client.h"
#include "queuereader/output_file.h"

namespace rivulet {
namespace {

constexpr std::uint64_t kMaxPendingBytes = std::uint64_t{32} << 20;  // an output
constexpr std::uint64_t kBatch = 500;
constexpr std::string_view kFileScheme = "file:";
constexpr std::string_view kSavedHead = "rivulet outputs 1\n";

struct OutputSpec {
  std::string name;
  std::string url;
};

bool IsOutputName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Result<OutputSpec> ParseOutput(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || !IsOutputName(text.substr(0, equals))) {
    return InvalidArgument(
        "must be NAME=URL or NAME=file:PATH, with a NAME of 1 to 64 of A-Z a-z 0-9 _ -");
  }
  OutputSpec spec{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  if (spec.url.starts_with(kFileScheme)) {
    if (spec.url.size() > kFileScheme.size()) return spec;
    return InvalidArgument("must be NAME=file:PATH with a path, or - for standard output");
  }
  const std::size_t host = spec.url.starts_with("http://") ? 7 : 8;
  const bool known = host == 7 || spec.url.starts_with("https://");
  if (!known || spec.url.find_first_of("/?#", host) == host || spec.url.size() == host) {
    return InvalidArgument("must be NAME=http://HOST:PORT/pub (or /put, /mput), or NAME=file:PATH");
  }
  if (const Status s = CheckClientUrl(spec.url); !s.ok()) {
    return InvalidArgument("must be NAME=URL: " + s.message());
  }
  return spec;
}

// Those take a message a line.
bool TakesBatches(std::string_view url) {
  const std::string_view path = url.substr(0, url.find_first_of("?#"));
  return path.ends_with("/pub") || path.ends_with("/mput");
}

}  // namespace

void AddOutputOptions(Options* options, OutputOptions* values) {
  options
      ->Texts("output", &values->outputs,
              "where a task's Emit(NAME, …) goes: NAME=URL of a /pub, /put or /mput, or "
              "NAME=file:PATH (- is standard output)")
      .Metavar("NAME=URL")
      .Check([](const std::string& text) { return ParseOutput(text).status(); });
  options
      ->Text("output-auth-token-file", &values->output_auth_token_file,
             "file with the token of the outputs: sent as Authorization: Bearer TOKEN")
      .Metavar("FILE");
}

struct Outputs::Impl {
  // Messages of an output that were emitted with no other output's between.
  struct Run {
    std::uint64_t first = 0;     // its number in the output's log
    std::uint64_t emission = 0;  // and over all outputs
    std::uint64_t count = 0;
  };
  struct One {
    std::string url;
    MessageLog log{kMaxPendingBytes};
    std::unique_ptr<HttpDelivery> delivery;  // or
    std::unique_ptr<OutputFile> file;
    std::deque<Run> runs;    // of what is pending
    std::uint64_t done = 0;  // messages of the log, from the first on

    std::uint64_t oldest() const { return file ? file->oldest() : delivery->forwarder().oldest(0); }
  };

  EventLoop& loop;
  const Clock& clock;
  std::function<void()> on_progress;
  std::vector<std::string> names;
  std::unique_ptr<DeadLetters> dead_letters;
  std::vector<std::unique_ptr<One>> outputs;
  std::uint64_t emitted = 0;

  Impl(EventLoop& event_loop, const Clock& its_clock, std::function<void()> progress)
      : loop(event_loop), clock(its_clock), on_progress(std::move(progress)) {}

  Status Add(const OutputSpec& spec, const std::string& token);
  Status AddHttp(One* one, const std::string& token);
  void Emit(One* one, std::string_view message);
  void OnProgress(One* one);
};

Status Outputs::Impl::Add(const OutputSpec& spec, const std::string& token) {
  auto one = std::make_unique<One>();
  one->url = spec.url;
  if (spec.url.starts_with(kFileScheme)) {
    auto file = OutputFile::Open(loop, clock, spec.url.substr(kFileScheme.size()), &one->log,
                                 [this, at = one.get()] { OnProgress(at); });
    if (!file.ok()) return file.status();
    one->file = std::move(*file);
  } else if (Status s = AddHttp(one.get(), token); !s.ok()) {
    return s;
  }
  names.push_back(spec.name);
  outputs.push_back(std::move(one));
  return {};
}

Status Outputs::Impl::AddHttp(One* one, const std::string& token) {
  DeliveryOptions values;
  values.post_urls = {one->url};
  if (TakesBatches(one->url)) values.batch = kBatch;
  // For the jitter alone.
  const auto seed = static_cast<std::uint64_t>(clock.WallNow().time_since_epoch().count());
  auto config = MakeDeliveryConfig(values, {}, seed + outputs.size());
  if (!config.ok()) return config.status();
  if (!token.empty()) {
    config->destinations[0].headers.push_back("Authorization: Bearer " + token);
  }
  one->delivery =
      std::make_unique<HttpDelivery>(loop, clock, std::move(*config), &one->log, dead_letters.get(),
                                     [this, one] { OnProgress(one); });
  constexpr std::string_view kVerb = "POST ";
  one->url = one->delivery->destination(0).endpoint().substr(kVerb.size());
  return {};
}

void Outputs::Impl::Emit(One* one, std::string_view message) {
  ++emitted;
  const std::uint64_t number = one->log.end();
  const bool goes_on = !one->runs.empty() &&
                       one->runs.back().emission + one->runs.back().count == emitted &&
                       one->runs.back().first + one->runs.back().count == number;
  if (goes_on) {
    ++one->runs.back().count;
  } else {
    one->runs.push_back({number, emitted, 1});
  }
  if (one->file) {
    one->file->Append(message);
  } else {
    one->delivery->Append(message);
  }
}

void Outputs::Impl::OnProgress(One* one) {
  const std::uint64_t done = one->oldest();
  if (done == one->done) return;
  one->done = done;
  while (!one->runs.empty() && one->runs.front().first + one->runs.front().count <= done) {
    one->runs.pop_front();
  }
  on_progress();
}

Outputs::Outputs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Outputs::~Outputs() = default;

Result<std::unique_ptr<Outputs>> Outputs::Open(EventLoop& loop, const Clock& clock,
                                               const OutputOptions& values,
                                               const std::string& dead_letter_path,
                                               std::function<void()> on_progress) {
  auto impl = std::make_unique<Impl>(loop, clock, std::move(on_progress));
  std::string token;
  if (!values.output_auth_token_file.empty()) {
    auto read = ReadTokenFile("output-auth-token-file", values.output_auth_token_file);
    if (!read.ok()) return read.status();
    token = std::move(*read);
  }
  if (!dead_letter_path.empty()) {
    impl->dead_letters = DeadLetters::OpenLater(dead_letter_path, clock);
  }
  for (const std::string& text : values.outputs) {
    const auto wrong = [&text](const Status& why) {
      return Status(why.code(), fmt::format("--output={}: {}", text, why.message()));
    };
    const auto spec = ParseOutput(text);
    if (!spec.ok()) return wrong(spec.status());
    if (std::ranges::find(impl->names, spec->name) != impl->names.end()) {
      return wrong(InvalidArgument(
          fmt::format("must have another name: {} is an output already", spec->name)));
    }
    if (Status s = impl->Add(*spec, token); !s.ok()) return wrong(s);
  }
  return std::unique_ptr<Outputs>(new Outputs(std::move(impl)));
}

const std::vector<std::string>& Outputs::names() const { return impl_->names; }

void Outputs::Emit(std::uint32_t output, std::string_view message) {
  impl_->Emit(impl_->outputs[output].get(), message);
}

std::uint64_t Outputs::emitted() const { return impl_->emitted; }

std::uint64_t Outputs::delivered() const {
  std::uint64_t first_pending = impl_->emitted + 1;
  for (const auto& one : impl_->outputs) {
    if (one->runs.empty()) continue;
    const Impl::Run& run = one->runs.front();
    const std::uint64_t within = one->done > run.first ? one->done - run.first : 0;
    first_pending = std::min(first_pending, run.emission + within);
  }
  return first_pending - 1;
}

bool Outputs::full() const {
  return std::ranges::any_of(impl_->outputs, [](const auto& one) { return one->log.full(); });
}

bool Outputs::has_room() const {
  return std::ranges::all_of(impl_->outputs, [](const auto& one) { return one->log.has_room(); });
}

void Outputs::Flush() {
  for (const auto& one : impl_->outputs) {
    if (one->file) {
      one->file->Flush();
    } else {
      one->delivery->NoMore();
      one->delivery->RetryNow();
    }
  }
}

std::vector<OutputStats> Outputs::stats() const {
  std::vector<OutputStats> all;
  for (std::size_t i = 0; i < impl_->outputs.size(); ++i) {
    const Impl::One& one = *impl_->outputs[i];
    OutputStats stats;
    stats.name = impl_->names[i];
    stats.url = one.url;
    stats.emitted = one.log.end();
    stats.pending = one.log.end() - one.oldest();
    if (one.file) {
      stats.delivered = one.oldest();
      stats.retries = one.file->retries();
      stats.last_error = one.file->last_error();
    } else {
      const DestinationStats& destination = one.delivery->destination(0).stats();
      stats.delivered = destination.delivered;
      stats.refused = destination.refused;
      stats.retries = destination.retries;
      stats.last_error = destination.last_error;
    }
    all.push_back(std::move(stats));
  }
  return all;
}

// After the head a frame with the name, one with a count, and so many messages, for each output
// that has any.
std::string Outputs::Save() const {
  std::string saved;
  for (std::size_t i = 0; i < impl_->outputs.size(); ++i) {
    Impl::One& one = *impl_->outputs[i];
    const std::uint64_t end = one.log.end();
    std::uint64_t next = one.oldest();
    if (next == end) continue;
    if (saved.empty()) saved = kSavedHead;
    AppendFrame(&saved, impl_->names[i]);
    AppendFrame(&saved, std::to_string(end - next));
    while (next < end) {
      const MessageBatch batch = one.log.Slice(next, end - next);
      std::string_view rest = batch.lines;
      while (!rest.empty()) {
        const std::size_t size = batch.cut_at_newlines ? rest.find('\n') : rest.size() - 1;
        AppendFrame(&saved, rest.substr(0, size));
        rest.remove_prefix(size + 1);
      }
      next = batch.end();
    }
  }
  return saved;
}

Status Outputs::Load(std::string_view saved) {
  if (saved.empty()) return {};
  const auto corrupt = [] {
    return Status(StatusCode::kCorrupt, "the pending messages of outputs cannot be read");
  };
  if (!saved.starts_with(kSavedHead)) return corrupt();
  auto frames = ParseFrames(saved.substr(kSavedHead.size()));
  if (!frames.ok()) return corrupt();
  for (std::size_t at = 0; at < frames->size();) {
    const std::string_view name = (*frames)[at];
    if (at + 1 == frames->size()) return corrupt();
    const auto count = ParseUint(std::string((*frames)[at + 1]));
    at += 2;
    if (!count.ok() || *count > frames->size() - at) return corrupt();
    const auto found = std::ranges::find(impl_->names, name);
    if (found == impl_->names.end()) {
      return {StatusCode::kNotFound,
              fmt::format("{} messages are still to be sent to the output {}: --output={}=URL must "
                          "say where",
                          *count, name, name)};
    }
    const auto output = static_cast<std::uint32_t>(found - impl_->names.begin());
    for (std::uint64_t i = 0; i < *count; ++i) Emit(output, (*frames)[at++]);
  }
  return {};
}

}  // namespace rivulet
