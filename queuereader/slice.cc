#include "queuereader/slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"

namespace rivulet {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(5);
// Crash marks cut names: the number, at the end, must stay.
constexpr std::size_t kMaxOriginBytes = 140;

void SetId(const FetchedBatch& batch, std::size_t message, std::string* id) {
  id->clear();
  if (!batch.leased(message)) return;
  fmt::format_to(std::back_inserter(*id), "{}", batch.delivery(message).id);
  if (batch.batch.incarnation == 0) return;
  fmt::format_to(std::back_inserter(*id), "-{:x}", batch.batch.incarnation);
}

}  // namespace

std::string MessageOrigin(std::string_view origin_name) {
  if (origin_name.size() <= kMaxOriginBytes) return std::string(origin_name);
  return "..." + std::string(origin_name.substr(origin_name.size() - kMaxOriginBytes));
}

void SetMessageName(const FetchedBatch& batch, std::size_t message, std::string* name) {
  name->clear();
  const Delivery& delivery = batch.delivery(message);
  if (!batch.origin_names || delivery.origin >= batch.origin_names->size()) return;
  const std::string& origin = (*batch.origin_names)[delivery.origin];
  auto end = std::back_inserter(*name);
  if (batch.leased(message)) {
    fmt::format_to(end, "{} message {}", origin, delivery.id);
    if (batch.batch.incarnation != 0) fmt::format_to(end, "-{:x}", batch.batch.incarnation);
  } else if (delivery.place > 0) {
    fmt::format_to(end, "{} byte {}", origin, delivery.place);
  }
}

void Slice::Clear() {
  batches_.clear();
  items_.clear();
  wants_stats_ = failed_ = false;
  in_hand_ = ran_ = 0;
  remarks_.clear();
  took_ = pause_ = {};
  stats_.reset();
}

void Slice::Add(std::shared_ptr<const FetchedBatch> batch, std::uint32_t message) {
  items_.push_back({batch.get(), message});
  if (batches_.empty() || batches_.back() != batch) batches_.push_back(std::move(batch));
}

const std::shared_ptr<const FetchedBatch>& Slice::BatchOf(std::size_t item) const {
  return *std::find_if(batches_.rbegin(), batches_.rend(),
                       [&](const auto& batch) { return batch.get() == items_[item].batch; });
}

void Slice::Run(const SliceSurroundings& surroundings) {
  const MonoTime begin = surroundings.clock->Now();
  const WallTime wall = surroundings.clock->WallNow();
  MonoTime now = begin;
  std::size_t at = 0;
  while (at < items_.size() && !surroundings.stop()) {
    const std::size_t chunk = std::max<std::size_t>(surroundings.reader->chunk(), 1);
    const std::size_t count = std::min(chunk, items_.size() - at);
    Prepare(at, count);
    in_hand_.store(at, std::memory_order_release);
    surroundings.reader->Handle(incoming_, wall + (now - begin), &verdicts_);
    Record(surroundings, at, wall + (now - begin));
    at += count;
    ran_.store(at, std::memory_order_release);
    now = surroundings.clock->Now();
    if (failed_ || pause_ > Duration::zero() || now - begin >= kSlice) break;
  }
  took_ = now - begin;
  if (wants_stats_) stats_ = surroundings.reader->Stats();
}

void Slice::Prepare(std::size_t at, std::size_t count) {
  chunk_at_ = at;
  incoming_.resize(count);
  if (ids_.size() < count) ids_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto [batch, message] = items_[at + i];
    SetId(*batch, message, &ids_[i]);
    incoming_[i].bytes = batch->body(message);
    incoming_[i].id = ids_[i];
    incoming_[i].crash = batch->crashed == message ? std::string_view(batch->crash) : "";
  }
}

std::string_view Slice::Enter(std::size_t place_in_chunk) {
  const std::size_t item = chunk_at_ + place_in_chunk;
  in_hand_.store(item, std::memory_order_release);
  SetMessageName(*items_[item].batch, items_[item].message, &name_);
  return name_;
}

void Slice::Record(const SliceSurroundings& surroundings, std::size_t at, WallTime now) {
  for (std::size_t i = 0; i < verdicts_.size(); ++i) {
    Verdict& verdict = verdicts_[i];
    const bool gone =
        verdict.next == Verdict::Next::kFinished || verdict.next == Verdict::Next::kDropped;
    if (gone && verdict.emissions.empty() && verdict.pause == Duration::zero()) continue;
    pause_ = std::max(pause_, verdict.pause);
    if (verdict.next == Verdict::Next::kRequeue) {
      pause_ = std::max(pause_, surroundings.sleeptime_requeue);
    }
    Remark remark{at + i, std::move(verdict), {}};
    SetAside(surroundings, now, &remark);
    const std::lock_guard lock(mutex_);
    remarks_.push_back(std::move(remark));
  }
}

void Slice::SetAside(const SliceSurroundings& surroundings, WallTime now, Remark* remark) {
  const Verdict& verdict = remark->verdict;
  const bool malformed = verdict.next == Verdict::Next::kMalformed;
  if (!malformed && verdict.next != Verdict::Next::kGiveUp) return;
  const auto [batch, message] = items_[remark->item];
  std::string path;
  remark->set_aside = surroundings.failed_messages->Write(
      malformed ? batch->body(message) : std::string_view(verdict.body), malformed, now, &path);
  if (!remark->set_aside.ok()) {
    failed_ = true;
    return;
  }
  LogWarning("message {}, set aside in {}: {}", malformed ? "malformed" : "given up", path,
             verdict.why);
}

std::vector<Slice::Remark> Slice::TakeRemarks() {
  const std::lock_guard lock(mutex_);
  return std::exchange(remarks_, {});
}

}  // namespace rivulet
