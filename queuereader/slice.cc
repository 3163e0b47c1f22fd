#include "queuereader/slice.h"

#include <algorithm>
#include <charconv>
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
  char digits[20];
  const auto append = [&](std::uint64_t number, int base) {
    id->append(digits, std::to_chars(digits, std::end(digits), number, base).ptr);
  };
  append(batch.delivery(message).id, 10);
  if (batch.batch.incarnation == 0) return;
  id->push_back('-');
  append(batch.batch.incarnation, 16);
}

}  // namespace

std::string MessageOrigin(std::string_view origin_name) {
  if (origin_name.size() <= kMaxOriginBytes) return std::string(origin_name);
  return "..." + std::string(origin_name.substr(origin_name.size() - kMaxOriginBytes));
}

MessageName NameOf(const FetchedBatch& batch, std::size_t message) {
  const Delivery& delivery = batch.delivery(message);
  if (!batch.origin_names || delivery.origin >= batch.origin_names->size()) return {};
  const std::string& origin = (*batch.origin_names)[delivery.origin];
  if (batch.leased(message)) {
    return {origin, MessageName::Kind::kLeased, delivery.id, batch.batch.incarnation};
  }
  if (delivery.place == 0) return {};
  return {origin, MessageName::Kind::kLine, delivery.place, 0};
}

void SetMessageName(const FetchedBatch& batch, std::size_t message, std::string* name) {
  const MessageName pieces = NameOf(batch, message);
  char end[kMaxNameEndBytes];
  name->assign(pieces.origin).append(end, WriteNameEnd(pieces, end));
}

void Slice::Clear() {
  batches_.clear();
  items_.clear();
  wants_stats_ = failed_ = false;
  in_hand_ = ran_ = 0;
  remarks_.clear();
  took_ = pause_ = {};
  stats_.reset();
  fatal_.clear();
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
    const MonoTime ended =
        surroundings.reader->Handle(incoming_, wall + (now - begin), now, &verdicts_);
    fatal_ = surroundings.reader->fatal();
    if (!fatal_.empty() && verdicts_.empty()) break;  // nothing was run
    const bool wrote = Record(surroundings, at, wall + (now - begin));
    at += count;
    ran_.store(at, std::memory_order_release);
    // Time that has to be known anew is what nobody has looked at since.
    now = wrote || ended == now ? surroundings.clock->Now() : ended;
    if (failed_ || !fatal_.empty() || pause_ > Duration::zero() || now - begin >= kSlice) break;
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

MessageName Slice::Enter(std::size_t place_in_chunk) {
  const std::size_t item = chunk_at_ + place_in_chunk;
  in_hand_.store(item, std::memory_order_release);
  return NameOf(*items_[item].batch, items_[item].message);
}

bool Slice::Record(const SliceSurroundings& surroundings, std::size_t at, WallTime now) {
  bool any = false;
  for (std::size_t i = 0; i < verdicts_.size(); ++i) {
    Verdict& verdict = verdicts_[i];
    const bool gone =
        verdict.next == Verdict::Next::kFinished || verdict.next == Verdict::Next::kDropped;
    if (gone && verdict.emissions.empty() && verdict.pause == Duration::zero()) continue;
    any = true;
    pause_ = std::max(pause_, verdict.pause);
    if (verdict.next == Verdict::Next::kRequeue) {
      pause_ = std::max(pause_, surroundings.sleeptime_requeue);
    }
    Remark remark{at + i, std::move(verdict), {}};
    SetAside(surroundings, now, &remark);
    const std::lock_guard lock(mutex_);
    remarks_.push_back(std::move(remark));
  }
  return any;
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
