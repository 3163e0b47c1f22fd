#include "queuereader/source/file_account.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace rivulet {

namespace {

// No file has so many bytes.
constexpr std::uint64_t kNoLine = std::uint64_t{1} << 63;

}  // namespace

bool FileAccount::Read(LinePlace line, std::uint64_t begin) {
  if (!(loaded_ < line)) return overtaken_.find(line) != overtaken_.end();
  in_hand_.push_back({line, begin});
  return true;
}

void FileAccount::SettleLine(LinePlace place) {
  if (!(last_ < place)) {
    overtaken_.erase(place);
    return;
  }
  while (!in_hand_.empty() && in_hand_.front().place < place) {
    overtaken_.emplace(in_hand_.front().place, in_hand_.front().begin);
    in_hand_.pop_front();
  }
  if (in_hand_.empty() || in_hand_.front().place != place) return;
  in_hand_.pop_front();
  last_ = place;
}

LinePlace FileAccount::start() const {
  if (overtaken_.empty()) return last_;
  const auto& [place, begin] = *overtaken_.begin();
  return {place.file, begin};
}

void FileAccount::Settle(Settlement settlement, MonoTime now) {
  const LinePlace place{settlement.origin, settlement.place};
  if (!settlement.requeued) {
    if (settlement.fate == Fate::kReturn) return;
    if (settlement.fate == Fate::kRequeue) {
      waiting_.emplace(now + settlement.delay, Retry{place, std::move(settlement.body)});
    }
    return SettleLine(place);
  }
  auto retry = retries_in_hand_.extract(place);
  if (retry.empty()) return;
  if (settlement.fate == Fate::kFinish || settlement.fate == Fate::kBury) return;
  auto node = std::move(retry.mapped());
  if (settlement.fate == Fate::kRequeue) {
    node.key() = now + settlement.delay;
    if (!settlement.body.empty()) node.mapped().body = std::move(settlement.body);
  }
  waiting_.insert(std::move(node));
}

const FileAccount::Retry* FileAccount::TakeRetry(MonoTime now) {
  if (waiting_.empty() || waiting_.begin()->first > now) return nullptr;
  auto node = waiting_.extract(waiting_.begin());
  const LinePlace place = node.mapped().line;
  auto [at, added] = retries_in_hand_.insert_or_assign(place, std::move(node));
  return &at->second.mapped();
}

std::optional<MonoTime> FileAccount::first_due() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

std::vector<std::string> FileAccount::Abandon() {
  std::vector<std::string> bodies;
  bodies.reserve(waiting_.size());
  for (auto& [due, retry] : waiting_) bodies.push_back(std::move(retry.body));
  waiting_.clear();
  retries_in_hand_.clear();
  return bodies;
}

void FileAccount::SaveLines(std::string* bytes) const {
  PutUint64(bytes, overtaken_.size());
  for (const auto& [place, begin] : overtaken_) {
    PutUint64(bytes, place.file);
    PutUint64(bytes, place.offset);
    PutUint64(bytes, begin);
  }
}

bool FileAccount::LoadLines(ByteReader* bytes, LinePlace last) {
  last_ = loaded_ = last;
  const std::uint64_t count = bytes->Uint64();
  for (std::uint64_t i = 0; i < count && bytes->ok(); ++i) {
    LinePlace place;
    place.file = static_cast<std::uint32_t>(bytes->Uint64());
    place.offset = bytes->Uint64();
    const std::uint64_t begin = bytes->Uint64();
    // Those of a file that is read anew are no more.
    if (bytes->ok() && !(last < place)) overtaken_.emplace(place, begin);
  }
  return bytes->ok();
}

void FileAccount::SaveRetries(std::string* bytes, MonoTime now, WallTime wall) const {
  auto put = [&](MonoTime due, const Retry& retry) {
    const auto at = (wall + (due - now)).time_since_epoch().count();
    PutUint64(bytes, retry.line.file);
    PutUint64(bytes, retry.line.offset);
    PutUint64(bytes, static_cast<std::uint64_t>(at));
    PutUint64(bytes, retry.body.size());
    *bytes += retry.body;
  };
  PutUint64(bytes, waiting_.size() + retries_in_hand_.size());
  // What is in hand was due before what waits.
  for (const auto& [place, node] : retries_in_hand_) put(node.key(), node.mapped());
  for (const auto& [due, retry] : waiting_) put(due, retry);
}

bool FileAccount::LoadRetries(ByteReader* bytes, MonoTime now, WallTime wall,
                              const std::vector<bool>& anew) {
  std::uint64_t moved = kNoLine;
  const std::uint64_t count = bytes->Uint64();
  for (std::uint64_t i = 0; i < count && bytes->ok(); ++i) {
    Retry retry;
    const std::uint64_t file = bytes->Uint64();
    retry.line.offset = bytes->Uint64();
    const WallTime due{Duration(static_cast<std::int64_t>(bytes->Uint64()))};
    retry.body = bytes->Bytes(bytes->Uint64());
    if (!bytes->ok()) return false;
    const bool known =
        file < anew.size() && !anew[static_cast<std::size_t>(file)] && retry.line.offset < kNoLine;
    retry.line.file = known ? static_cast<std::uint32_t>(file) : 0;
    if (!known) retry.line.offset = moved++;
    waiting_.emplace(now + std::max(due - wall, Duration::zero()), std::move(retry));
  }
  return bytes->ok();
}

}  // namespace rivulet
