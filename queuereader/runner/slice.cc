#include "queuereader/runner/slice.h"

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
  if (batch.batch.incarnation != 0) {
    append(batch.batch.incarnation, 16);
    id->push_back('-');
  }
  // At the end: of ids that count up, a store keeps a bit each.
  append(batch.delivery(message).id, 10);
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
  Reader& reader = *surroundings.reader;
  bool ends = surroundings.stop();
  Prepare(0, ends ? 0 : reader.chunk(), &chunk_);
  while (!chunk_.incoming.empty()) {
    const std::size_t at = chunk_.at;
    const std::size_t behind = at + chunk_.incoming.size();
    in_hand_.store(at, std::memory_order_release);
    Prepare(behind, !ends && reader.looks_ahead() ? reader.chunk() : 0, &next_);
    const MonoTime ended =
        reader.Handle(chunk_.incoming, wall + (now - begin), now, &verdicts_, next_.incoming);
    fatal_ = reader.fatal();
    if (!fatal_.empty() && verdicts_.empty()) break;  // nothing was run
    const bool wrote = Record(surroundings, at, wall + (now - begin));
    ran_.store(behind, std::memory_order_release);
    // Time that has to be known anew is what nobody has looked at since.
    now = wrote || ended == now ? surroundings.clock->Now() : ended;
    if (!fatal_.empty()) break;
    ends = ends || failed_ || pause_ > Duration::zero() || now - begin >= kSlice ||
           surroundings.stop();
    // What the reader was told of is run: it may be in a child's hands.
    std::swap(chunk_, next_);
    if (chunk_.incoming.empty() && !ends) Prepare(behind, reader.chunk(), &chunk_);
  }
  took_ = now - begin;
  if (wants_stats_) stats_ = surroundings.reader->Stats();
}

void Slice::Prepare(std::size_t at, std::size_t count, Chunk* chunk) {
  count = std::min(count, items_.size() - at);
  chunk->at = at;
  chunk->incoming.resize(count);
  if (chunk->ids.size() < count) chunk->ids.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto [batch, message] = items_[at + i];
    Incoming& incoming = chunk->incoming[i];
    SetId(*batch, message, &chunk->ids[i]);
    incoming.bytes = batch->body(message);
    incoming.id = chunk->ids[i];
    incoming.crash = batch->crashed == message ? std::string_view(batch->crash) : "";
  }
}

MessageName Slice::Enter(std::size_t place_in_chunk) {
  const std::size_t item = chunk_.at + place_in_chunk;
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
