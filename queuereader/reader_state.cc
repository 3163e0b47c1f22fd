// What a reader tells about itself, and what it keeps over a restart.
//
// The counts: {"reader":{"messages":N,…},"tasks":{"task:NAME":{"done":N,…,"counters":{…}},…}}
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>

#include "queuereader/reader_impl.h"

namespace rivulet {
namespace {

constexpr char kCountsSection[] = "counts";
constexpr std::string_view kTaskSections = "task:";

template <typename Counts>
struct CountField {
  std::string_view name;
  std::uint64_t Counts::*value;
};
constexpr std::array<CountField<ReaderCounts>, 6> kReaderFields = {
    {{"messages", &ReaderCounts::messages},
     {"finished", &ReaderCounts::finished},
     {"dropped", &ReaderCounts::dropped},
     {"requeued", &ReaderCounts::requeued},
     {"given_up", &ReaderCounts::given_up},
     {"malformed", &ReaderCounts::malformed}}};
constexpr std::array<CountField<TaskCounts>, 4> kTaskFields = {
    {{"done", &TaskCounts::done},
     {"failed", &TaskCounts::failed},
     {"retried", &TaskCounts::retried},
     {"given_up", &TaskCounts::given_up}}};

/// Without the brackets.
template <typename Counts, typename Fields>
void AppendFields(std::string* out, const Counts& counts, const Fields& fields) {
  bool first = true;
  for (const auto& field : fields) {
    fmt::format_to(std::back_inserter(*out), "{}\"{}\":{}", first ? "" : ",", field.name,
                   counts.*field.value);
    first = false;
  }
}

void AppendTask(std::string* out, std::string_view section, const TaskCounts& counts,
                const TaskContext::Counters& counters) {
  AppendJsonString(out, section);
  *out += ":{";
  AppendFields(out, counts, kTaskFields);
  *out += ",\"counters\":{";
  for (std::size_t i = 0; i < counters.size(); ++i) {
    fmt::format_to(std::back_inserter(*out), "{}\"{}\":{}", i ? "," : "", counters[i].first,
                   counters[i].second);
  }
  *out += "}}";
}

Status Wrong(std::string_view what) {
  return {StatusCode::kCorrupt,
          fmt::format("the saved counts: {} must be whole numbers by name", what)};
}

/// Names that are not ours, of a later version say, are passed over.
template <typename Counts, typename Fields>
Status ReadFields(const JsonValue& from, std::string_view what, const Fields& fields,
                  Counts* counts) {
  for (const auto& field : fields) {
    const JsonValue* value = FindMember(from, field.name);
    if (!value || !value->IsUint64()) return Wrong(what);
    counts->*field.value = value->GetUint64();
  }
  return {};
}

Status ReadCounters(const JsonValue& from, std::string_view what, TaskContext::Counters* counters) {
  const JsonValue* all = FindMember(from, "counters");
  if (!all || !all->IsObject() || all->MemberCount() > TaskContext::kMaxCounters) {
    return Wrong(what);
  }
  for (const auto& member : all->GetObject()) {
    const std::string_view name = JsonText(member.name);
    if (!TaskContext::IsCounterName(name) || !member.value.IsUint64()) return Wrong(what);
    counters->emplace_back(name, member.value.GetUint64());
  }
  return {};
}

template <typename Call>
Status Guarded(std::string_view label, Call call) {
  Status status;
  try {
    status = call();
  } catch (const std::exception& error) {
    status = {StatusCode::kUnavailable, fmt::format("threw: {}", error.what())};
  } catch (...) {
    status = {StatusCode::kUnavailable, "threw something that is no std::exception"};
  }
  if (status.ok()) return status;
  return {status.code(), fmt::format("{}: {}", label, status.message())};
}

}  // namespace

std::string Reader::Impl::Slot::Section() const {
  switch (role) {
    case Role::kPreprocess:
      return "task:--preprocess=" + name;
    case Role::kValidate:
      return "task:--validate=" + name;
    case Role::kGiveUp:
      return "task:--requeue-giveup=" + name;
    case Role::kTask:
      break;
  }
  return "task:" + name;
}

std::string Reader::Impl::SaveCounts() const {
  std::string out = "{\"reader\":{";
  AppendFields(&out, counts, kReaderFields);
  out += "},\"tasks\":{";
  bool first = true;
  auto append = [&](const std::string& section, const auto& of_task, const auto& counters) {
    if (!first) out += ',';
    first = false;
    AppendTask(&out, section, of_task, counters);
  };
  for (const Slot& slot : slots) append(slot.Section(), slot.counts, slot.context.counters);
  for (const auto& [section, kept] : kept_counts) append(section, kept.counts, kept.counters);
  return out += "}}";
}

Status Reader::Impl::LoadCounts(std::string_view saved) {
  JsonDocument document;
  if (Status status = document.Parse(saved, {.refuse_duplicate_keys = true}); !status.ok()) {
    return {StatusCode::kCorrupt, "the saved counts: " + status.message()};
  }
  ReaderCounts loaded;
  const JsonValue* of_reader = FindMember(document.root(), "reader");
  if (!of_reader) return Wrong("those of the reader");
  Status status = ReadFields(*of_reader, "those of the reader", kReaderFields, &loaded);
  if (!status.ok()) return status;
  const JsonValue* tasks = FindMember(document.root(), "tasks");
  if (!tasks || !tasks->IsObject()) return Wrong("those of tasks");
  std::map<std::string, KeptCounts> of_tasks;
  for (const auto& member : tasks->GetObject()) {
    const std::string section(JsonText(member.name));
    KeptCounts& of_task = of_tasks[section];
    status = ReadFields(member.value, section, kTaskFields, &of_task.counts);
    if (status.ok()) status = ReadCounters(member.value, section, &of_task.counters);
    if (!status.ok()) return status;
  }
  counts = loaded;
  for (Slot& slot : slots) {
    auto found = of_tasks.find(slot.Section());
    if (found == of_tasks.end()) continue;
    slot.counts = found->second.counts;
    slot.context.counters = std::move(found->second.counters);
    of_tasks.erase(found);
  }
  kept_counts = std::move(of_tasks);
  return {};
}

Result<std::map<std::string, std::string>> Reader::Save() const {
  std::map<std::string, std::string> saved = impl_->kept_sections;
  for (const Impl::Slot& slot : impl_->slots) {
    Status status = Guarded(slot.Label() + ": its state cannot be saved", [&] {
      const MarkedCall mark(impl_->surroundings, slot.name, "its state was saved");
      std::string state = slot.task->Save();
      if (!state.empty()) saved[slot.Section()] = std::move(state);
      return Status();
    });
    if (!status.ok()) return status;
  }
  saved[kCountsSection] = impl_->SaveCounts();
  return saved;
}

Status Reader::Load(const std::map<std::string, std::string>& saved) {
  std::map<std::string, std::string> kept;
  for (const auto& [section, state] : saved) {
    if (section.starts_with(kTaskSections)) kept.emplace(section, state);
  }
  for (Impl::Slot& slot : impl_->slots) {
    auto found = kept.find(slot.Section());
    if (found == kept.end()) continue;
    Status status = Guarded(slot.Label() + ": its saved state is refused", [&] {
      const MarkedCall mark(impl_->surroundings, slot.name, "its state was loaded");
      return slot.task->Load(found->second);
    });
    if (!status.ok()) return status;
    kept.erase(found);
  }
  impl_->kept_sections = std::move(kept);
  auto counts = saved.find(kCountsSection);
  return counts == saved.end() ? Status() : impl_->LoadCounts(counts->second);
}

const ReaderCounts& Reader::counts() const { return impl_->counts; }

ReaderStats Reader::Stats() const {
  ReaderStats stats;
  stats.counts = impl_->counts;
  for (const Impl::Slot& slot : impl_->slots) {
    stats.tasks.push_back(
        {slot.name, slot.counts, slot.run_time,
         impl_->BackoffOf(slot).failing() ? impl_->BackoffOf(slot).interval() : Duration(),
         slot.context.counters});
  }
  return stats;
}

std::size_t Reader::task_count() const { return impl_->task_count; }
const std::string& Reader::task_name(std::size_t i) const { return impl_->slots[i].name; }
const TaskCounts& Reader::task_counts(std::size_t i) const { return impl_->slots[i].counts; }

std::vector<std::string> Reader::Views(std::size_t i) const {
  const Impl::Slot& slot = impl_->slots[i];
  const MarkedCall mark(impl_->surroundings, slot.name, "it was asked for its views");
  return slot.task->views();
}

std::optional<View> Reader::Show(std::size_t i, std::string_view view) const {
  const Impl::Slot& slot = impl_->slots[i];
  const MarkedCall mark(impl_->surroundings, slot.name, "a view of it was shown");
  return slot.task->Show(view);
}

void Reader::Tick() {
  for (Impl::Slot& slot : impl_->slots) {
    const MarkedCall mark(impl_->surroundings, slot.name, "its Tick() ran");
    try {
      slot.task->Tick();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the next one is soon
    }
  }
}

void Reader::SummarizeTask(std::size_t i, Summary& summary) const {
  const MarkedCall mark(impl_->surroundings, impl_->slots[i].name, "its summary was made");
  try {
    impl_->slots[i].task->Summarize(summary);
  } catch (const std::exception& error) {
    summary.Text("error", error.what());
  } catch (...) {
    summary.Text("error", "the task's summary threw");
  }
}

}  // namespace rivulet
