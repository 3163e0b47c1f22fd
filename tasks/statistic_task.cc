#include "tasks/statistic_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/json.h"
#include "tasks/picture_of_keys.h"
#include "tasks/saved_state.h"
#include "tasks/summary_json.h"

namespace rivulet {
namespace {

constexpr std::uint64_t kDefaultKeys = 10'000;
constexpr std::uint64_t kMostKeys = 1'000'000;
constexpr std::uint64_t kDefaultShown = 100;
constexpr std::uint64_t kMostShown = 10'000;

double UnixSeconds(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// "moments" of "moments 1".
std::string_view TaskOf(const StatisticForm& form) {
  return form.format().substr(0, form.format().find(' '));
}

std::size_t MaxKeys(TaskArgs& args, const std::string& by) {
  const auto most = static_cast<std::size_t>(args.Uint("max_keys", kDefaultKeys, 1, kMostKeys));
  return by.empty() ? 0 : most;
}

}  // namespace

StatisticTask::StatisticTask(TaskArgs& args, std::unique_ptr<StatisticForm> form)
    : form_(std::move(form)),
      by_(args.Text("by")),
      max_keys_(MaxKeys(args, by_)),
      top_(static_cast<std::size_t>(args.Uint("top", kDefaultShown, 1, kMostShown))),
      every_(TakeDuration(args, "every", {})),
      output_(args.Output("output")),
      name_(args.Text("name", fmt::format("{}:{}", TaskOf(*form_), Arguments()))),
      local_(*form_, max_keys_) {
  if (every_ > Duration::zero() && output_.empty()) args.Fail("every= needs output=NAME");
  if (!output_.empty() && every_ == Duration::zero() && !form_->has_events()) {
    args.Fail("output=" + output_ + " needs every=DURATION, as every=10s");
  }
  TakeStore(args);
}

void StatisticTask::TakeStore(TaskArgs& args) {
  const std::string where = args.Text("store", "local");
  const std::string prefix = args.Text("prefix", name_);
  if (where == "local") return;
  if (where != "shared") return args.Fail("store=" + where + " must be local or shared");
  if (const std::string why = form_->not_shared(); !why.empty()) {
    return args.Fail("store=shared is not possible: " + why);
  }
  if (prefix.empty() || prefix == "rivulet" || prefix.find('|') != std::string::npos) {
    return args.Fail("prefix=" + prefix + " must be a text without '|', and not 'rivulet'");
  }
  if (prefix.size() > kMaxKeyBytes) return args.Fail("prefix= must have at most 1024 bytes");
  if (args.store() == nullptr) return args.Fail("store=shared needs a reader with a store");
  shared_ = std::make_unique<SharedStatistics>(
      *form_, args.store(),
      SharedStatistics::Options{prefix, fmt::format("{} {}", TaskOf(*form_), Arguments()),
                                max_keys_});
}

std::string StatisticTask::Arguments() const {
  return form_->arguments() + (by_.empty() ? "" : ",by=" + by_);
}

StatisticTask::Read StatisticTask::ReadMessage(const Message& message, WallTime now,
                                               Observation* observation) {
  observation->seconds = UnixSeconds(now);
  if (!form_->Read(message, observation)) return Read::kSkipped;
  if (by_.empty()) return Read::kRead;
  const auto key = TextOf(message, by_, &number_);
  if (!key) return Read::kSkipped;
  if (key->size() > kMaxKeyBytes) return Read::kBadKey;
  key_ = *key;
  return Read::kRead;
}

Outcome StatisticTask::Run(const Message& message, Context& context) {
  if (!shared_) {
    UpdateLocal(message, context);
  } else {
    UpdateShared(message, context.now());
    const Status status = shared_->Commit();
    if (!status.ok()) return Outcome::Failed(status.message());
  }
  if (PeriodIsOver(context.now())) context.Emit(output_, Results(context.now()));
  return Outcome::Done();
}

void StatisticTask::RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                             Context& context) {
  if (!shared_) return Task::RunBatch(messages, outcomes, context);
  for (const Message* message : messages) UpdateShared(*message, context.now());
  const Status status = shared_->Commit();
  if (status.code() == StatusCode::kInvalidArgument && messages.size() > 1) {
    // Nothing was done: one by one, those that can be done are.
    throw std::runtime_error(status.message());
  }
  if (!status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), Outcome::Failed(status.message()));
    return;
  }
  if (!messages.empty() && PeriodIsOver(context.now())) {
    context.EmitFor(messages.size() - 1, output_, Results(context.now()));
  }
}

void StatisticTask::UpdateLocal(const Message& message, Context& context) {
  Observation observation;
  switch (ReadMessage(message, context.now(), &observation)) {
    case Read::kSkipped:
      return local_.CountSkipped();
    case Read::kBadKey:
      return local_.CountBadKey();
    case Read::kRead:
      break;
  }
  const Statistic* statistic = local_.Update(key_, observation);
  if (statistic != nullptr && form_->has_events() && !output_.empty()) {
    EmitEvent(*statistic, context);
  }
}

void StatisticTask::UpdateShared(const Message& message, WallTime now) {
  Observation observation;
  switch (ReadMessage(message, now, &observation)) {
    case Read::kSkipped:
      return shared_->CountSkipped(message.id());
    case Read::kBadKey:
      return shared_->CountBadKey(message.id());
    case Read::kRead:
      return shared_->Update(message.id(), key_, observation);
  }
}

void StatisticTask::EmitEvent(const Statistic& statistic, Context& context) {
  const std::string event = statistic.Event();
  if (event.empty()) return;
  std::string json = EmittedHead(context.now());
  if (!by_.empty()) {
    json += "\"key\":";
    AppendJsonString(&json, key_);
    json += ',';
  }
  context.Emit(output_, json + event + "}");
}

bool StatisticTask::PeriodIsOver(WallTime now) {
  if (every_ == Duration::zero()) return false;
  // A clock that is set back begins a period, too.
  const bool begun = period_ && now >= *period_;
  if (begun && now - *period_ < every_) return false;
  period_ = now;
  return begun;
}

std::string StatisticTask::EmittedHead(WallTime now) const {
  std::string json = "{\"task\":";
  AppendJsonString(&json, name_);
  return json + fmt::format(",\"time\":{:.3f},", UnixSeconds(now));
}

std::string StatisticTask::Results(WallTime now) const {
  SummaryJsonWriter results;
  Summarize(results);
  return EmittedHead(now) + "\"results\":" + results.Finish() + "}";
}

std::string StatisticTask::Save() const {
  std::string bytes;
  if (shared_) {
    bytes = BeginState(form_->format(), Arguments() + ",store=shared");
    PutUint64(&bytes, shared_->untold_other_keys());
  } else {
    bytes = BeginState(form_->format(), Arguments());
    local_.Save(&bytes);
  }
  return bytes;
}

Status StatisticTask::Load(std::string_view saved) {
  const std::string store = shared_ ? ",store=shared" : "";
  const auto state = OpenState(saved, form_->format(), Arguments() + store);
  if (!state.ok()) return state.status();
  if (!shared_) return local_.Load(*state);
  ByteReader bytes(*state);
  const std::uint64_t untold = bytes.Uint64();
  if (!bytes.Finished()) return DamagedState(form_->format());
  shared_->set_untold_other_keys(untold);
  return {};
}

StatisticsFound StatisticTask::Find(std::size_t most) const {
  return shared_ ? shared_->Find(most) : local_.Find(most);
}

void StatisticTask::Summarize(Summary& summary) const {
  const StatisticsFound found = Find(top_);
  summary.Count("count", found.count);
  summary.Count("skipped", found.skipped);
  if (!found.trouble.empty()) summary.Text("store", found.trouble);
  if (by_.empty()) {
    if (!found.states.empty()) found.states.front().statistic->Summarize(summary);
    return;
  }
  summary.Count("keys", found.keys);
  summary.Count("other_keys", found.other_keys);
  summary.Count("bad_keys", found.bad_keys);
  std::vector<std::string> columns{"key"};
  for (std::string& column : form_->columns()) columns.push_back(std::move(column));
  summary.Table("by", std::move(columns));
  for (const auto& [key, statistic] : found.states) statistic->Rows(key, summary);
}

std::vector<std::string> StatisticTask::views() const {
  return form_->has_pictures() ? std::vector<std::string>{"svg"} : std::vector<std::string>{};
}

std::optional<View> StatisticTask::Show(std::string_view view) const {
  if (view != "svg" || !form_->has_pictures()) return std::nullopt;
  return View{"image/svg+xml", StatisticsPicture(*form_, by_, Find(std::min(top_, kPicturedKeys)))};
}

}  // namespace rivulet
