#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

constexpr char kLedger[] = "ledger";
constexpr char kOutputs[] = "outputs";
constexpr char kSource[] = "source";
constexpr char kStore[] = "store";

}  // namespace

Status Runner::Impl::Restore() {
  crash = parts.crash_mark->found();
  if (crash) {
    LogWarning("the last run was ended by {} in task {}, with {} in hand", crash->how, crash->task,
               crash->message.empty() ? "a message that has no name" : crash->message);
    if (crash->message.empty()) crash.reset();
  }
  if (parts.checkpoint == nullptr) return {};
  if (!config.program.empty()) parts.crash_mark->WatchCalls(config.program);
  const CheckpointSections& found = parts.checkpoint->found();
  const auto load = [&](const char* section, auto&& into) -> Status {
    const auto at = found.find(section);
    return at == found.end() || at->second.empty() ? Status() : into(at->second);
  };
  // First, because it knows whether the checkpoint is of such a source at all.
  Status status =
      load(kSource, [this](const std::string& saved) { return parts.source->Load(saved); });
  if (status.ok()) status = parts.reader->Load(found);
  if (status.ok() && parts.memory_store != nullptr) {
    status =
        load(kStore, [this](const std::string& saved) { return parts.memory_store->Load(saved); });
  }
  if (status.ok() && parts.outputs != nullptr) {
    status =
        load(kOutputs, [this](const std::string& saved) { return parts.outputs->Load(saved); });
  }
  if (status.ok()) {
    status = load(kLedger, [this](const std::string& saved) { return LoadLedger(saved); });
  }
  if (status.ok()) {
    // For who looks at the pace before the first slice: it is not of this run.
    stats = parts.reader->Stats();
    return status;
  }
  return {status.code(), "checkpoint " + parts.checkpoint->path() + ": " + status.message()};
}

Status Runner::Impl::LoadLedger(const std::string& saved) {
  std::vector<Ledger::Dropped> dropped;
  if (Status status = ledger.Load(saved, OriginNames(), &dropped); !status.ok()) return status;
  for (const Ledger::Dropped& one : dropped) {
    if (one.decisions > 0 && !config.forget_sources) {
      return InvalidArgument(fmt::format(
          "it holds {} decisions that {} must still be told of, and that is not among the sources: "
          "give it again as --source, written the same, or drop them by --forget-sources, where "
          "its messages may count again",
          one.decisions, one.origin));
    }
    LogWarning("dropped what was decided of {} messages of {}, which is not among the sources",
               one.decisions + one.awaited, one.origin);
  }
  return {};
}

bool Runner::Impl::Uncovered() const {
  return parts.checkpoint != nullptr && (ledger.counts().decided > 0 || run_since > 0);
}

bool Runner::Impl::CheckpointDue() const {
  if (parts.checkpoint == nullptr || saving || !dirty) return false;
  if (charge == Charge::kDecided) return true;
  if (parts.clock->Now() - checkpoint_began >= config.checkpoint_every) return true;
  return checkpoint_status.ok() && run_since >= config.checkpoint_messages;
}

void Runner::Impl::StartCheckpoint() {
  if (CheckpointDue()) BeginCheckpoint();
}

void Runner::Impl::BeginCheckpoint() {
  saving = true;
  checkpoint_began = parts.clock->Now();
  struct Saved {
    Status status;
    CheckpointSections sections;
  };
  auto saved = std::make_shared<Saved>();
  parts.executor->Do(
      [saved, reader = parts.reader, store = parts.memory_store] {
        auto tasks = reader->Save();
        saved->status = tasks.status();
        if (tasks.ok()) saved->sections = std::move(*tasks);
        if (store != nullptr) saved->sections[kStore] = store->Save();
      },
      [saved, alive = weak_from_this()] {
        if (const auto self = alive.lock()) self->Gather(saved->status, std::move(saved->sections));
      });
}

// Between the slice before the tasks were saved and the one after: what the loop knows is of the
// same moment.
void Runner::Impl::Gather(const Status& status, CheckpointSections sections) {
  const std::uint64_t decisions = ledger.decisions();
  gathered_run = std::exchange(run_since, 0);
  if (charge == Charge::kDecided) charge = Charge::kSaving;
  if (!status.ok()) return OnCheckpoint(status, decisions);
  dirty = false;
  sections[kLedger] = ledger.Save(OriginNames());
  if (parts.outputs != nullptr) sections[kOutputs] = parts.outputs->Save();
  sections[kSource] = parts.source->Save();
  parts.checkpoint->Write(std::move(sections),
                          [decisions, alive = weak_from_this()](const Status& written) {
                            if (const auto self = alive.lock()) {
                              self->OnCheckpoint(written, decisions);
                            }
                          });
}

void Runner::Impl::OnCheckpoint(const Status& status, std::uint64_t decisions) {
  saving = false;
  if (charge == Charge::kSaving) charge = Charge::kNone;
  if (checkpoint_status.ok() && !status.ok()) no_checkpoint_since = parts.clock->Now();
  checkpoint_status = status;
  if (state == State::kHung || state == State::kStopped) return;
  if (status.ok()) {
    ++checkpoints;
    checkpoint_done = parts.clock->Now();
    ledger.Cover(decisions);
  } else {
    LogError("no checkpoint: {}; {} decisions wait for the next", status.message(),
             ledger.counts().decided);
    run_since += gathered_run;
    dirty = true;
  }
  gathered_run = 0;
  Pump();
}

}  // namespace rivulet
