#include "store/once_ids.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "store/counted_id.h"

namespace rivulet {
namespace {

constexpr int kSweptAtMost = 4;

/// Not beyond the end of time.
std::int64_t Later(std::int64_t now_ms, std::int64_t by_ms) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(now_ms, std::max<std::int64_t>(by_ms, 0), &sum)) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return sum;
}

void PutText(std::string* out, std::string_view text) {
  PutUint64(out, text.size());
  out->append(text);
}

}  // namespace

bool IdBits::Add(std::uint32_t id) {
  if (!pages_.empty()) return AddBit(id);
  const auto place = std::lower_bound(few_.begin(), few_.end(), id);
  if (place != few_.end() && *place == id) return false;
  if (few_.size() < kMostFew) {
    few_.insert(place, id);
    return true;
  }
  pages_.resize(kIds / kPageIds);
  for (const std::uint32_t each : std::exchange(few_, {})) AddBit(each);
  return AddBit(id);
}

bool IdBits::AddBit(std::uint32_t id) {
  auto& page = pages_[id / kPageIds];
  if (page == nullptr) page = std::make_unique<Page>();
  std::uint64_t& word = (*page)[id % kPageIds / 64];
  const std::uint64_t bit = std::uint64_t{1} << id % 64;
  const bool added = (word & bit) == 0;
  word |= bit;
  return added;
}

void IdBits::Remove(std::uint32_t id) {
  if (pages_.empty()) {
    const auto place = std::lower_bound(few_.begin(), few_.end(), id);
    if (place != few_.end() && *place == id) few_.erase(place);
  } else if (const auto& page = pages_[id / kPageIds]; page != nullptr) {
    (*page)[id % kPageIds / 64] &= ~(std::uint64_t{1} << id % 64);
  }
}

std::size_t IdBits::bytes() const {
  const auto made = std::count_if(pages_.begin(), pages_.end(), [](auto& page) { return !!page; });
  return few_.size() * sizeof few_[0] + pages_.size() * sizeof pages_[0] +
         static_cast<std::size_t>(made) * sizeof(Page);
}

// The few: their number, each. Pages: 2^64 - 1, how many, and of each its place and its words.
void IdBits::Save(std::string* out) const {
  if (pages_.empty()) {
    PutUint64(out, few_.size());
    for (const std::uint32_t id : few_) PutUint64(out, id);
    return;
  }
  PutUint64(out, ~std::uint64_t{0});
  PutUint64(out, static_cast<std::uint64_t>(std::count_if(
                     pages_.begin(), pages_.end(), [](auto& page) { return page != nullptr; })));
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (pages_[i] == nullptr) continue;
    PutUint64(out, i);
    for (const std::uint64_t word : *pages_[i]) PutUint64(out, word);
  }
}

bool IdBits::Load(ByteReader* reader) {
  const std::uint64_t count = reader->Uint64();
  if (count != ~std::uint64_t{0}) {
    if (count > kMostFew) return false;
    for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
      const std::uint64_t id = reader->Uint64();
      if (id >= kIds || (!few_.empty() && id <= few_.back())) return false;
      few_.push_back(static_cast<std::uint32_t>(id));
    }
    return reader->ok();
  }
  pages_.resize(kIds / kPageIds);
  for (std::uint64_t left = reader->Uint64(); left > 0; --left) {
    const std::uint64_t place = reader->Uint64();
    if (!reader->ok() || place >= pages_.size() || pages_[place] != nullptr) return false;
    pages_[place] = std::make_unique<Page>();
    for (std::uint64_t& word : *pages_[place]) word = reader->Uint64();
  }
  return reader->ok();
}

std::optional<std::uint32_t> OnceIds::BitOf(std::string_view scope, std::string_view id) {
  const auto counted = CountedIdOf(id);
  if (!counted) return std::nullopt;
  key_.clear();
  const std::uint64_t words[] = {scope.size(), counted->chunk};
  key_.append(reinterpret_cast<const char*>(words), sizeof words);
  key_.append(scope).append(counted->beginning);
  return counted->bit;
}

bool OnceIds::First(std::string_view scope, std::string_view id, std::int64_t now_ms,
                    std::int64_t keep_ms, Before* before) {
  if (id.empty()) return true;
  const auto bit = BitOf(scope, id);
  if (!bit) return FirstName(scope, id, now_ms, keep_ms, before);
  const auto [entry, made] = chunks_.Insert(key_);
  Chunk& chunk = chunks_.ValueAt(entry);
  const std::size_t bytes = made ? 0 : chunk.ids.bytes();
  before->until_ms = chunk.until_ms;
  if (!made && chunk.until_ms <= now_ms) chunk.ids = {};
  before->first = chunk.ids.Add(*bit);
  if (before->first) chunk.until_ms = std::max(chunk.until_ms, Later(now_ms, keep_ms));
  if (made) {
    dues_.push({chunk.until_ms, entry, false});
    bytes_ += key_.size();
  }
  bytes_ = bytes_ - bytes + chunk.ids.bytes();
  return before->first;
}

bool OnceIds::FirstName(std::string_view scope, std::string_view id, std::int64_t now_ms,
                        std::int64_t keep_ms, Before* before) {
  const auto [entry, made] = scopes_.Insert(scope);
  Scope& names = scopes_.ValueAt(entry);
  before->until_ms = names.until_ms;
  before->began_ms = names.began_ms;
  if (made) {
    names.began_ms = now_ms;
    names.until_ms = Later(now_ms, Later(keep_ms, keep_ms));
    dues_.push({names.until_ms, entry, true});
    bytes_ += scope.size();
  }
  const bool over = names.until_ms <= now_ms;
  const bool turn = Later(names.began_ms, keep_ms) <= now_ms;
  if (over || turn) TurnGenerations(&names, now_ms, over, before);
  if (names.before != nullptr && names.before->Find(id) != Names::kNone) return false;
  if (names.current == nullptr) names.current = std::make_unique<Names>(seed_);
  if (!names.current->Insert(id).second) return false;
  names.until_ms = std::max(names.until_ms, Later(now_ms, Later(keep_ms, keep_ms)));
  bytes_ += id.size();
  return before->first = true;
}

void OnceIds::TurnGenerations(Scope* names, std::int64_t now_ms, bool both, Before* before) {
  bytes_ -= BytesOf(*names);
  before->turn = both ? Before::Turn::kBoth : Before::Turn::kGeneration;
  before->before = std::move(names->before);
  (both ? before->current : names->before) = std::move(names->current);
  names->began_ms = now_ms;
  bytes_ += BytesOf(*names);
}

// Of a chunk that was over, the time that is put back says that it is: its ids need not come back.
void OnceIds::Forget(std::string_view scope, std::string_view id, Before before) {
  const auto bit = BitOf(scope, id);
  if (!bit) return ForgetName(scope, id, std::move(before));
  const std::uint32_t entry = chunks_.Find(key_);
  if (entry == KeyTable<Chunk>::kNone || !before.first) return;
  Chunk& chunk = chunks_.ValueAt(entry);
  bytes_ -= chunk.ids.bytes();
  chunk.ids.Remove(*bit);
  bytes_ += chunk.ids.bytes();
  chunk.until_ms = before.until_ms;
}

void OnceIds::ForgetName(std::string_view scope, std::string_view id, Before before) {
  const std::uint32_t entry = scopes_.Find(scope);
  if (entry == KeyTable<Scope>::kNone) return;
  Scope& names = scopes_.ValueAt(entry);
  if (before.first) {
    names.current->Erase(names.current->Find(id));
    bytes_ -= id.size();
  }
  names.until_ms = before.until_ms;
  names.began_ms = before.began_ms;
  if (before.turn == Before::Turn::kNone) return;
  bytes_ -= BytesOf(names);
  names.current = std::move(before.turn == Before::Turn::kBoth ? before.current : names.before);
  names.before = std::move(before.before);
  bytes_ += BytesOf(names);
}

std::size_t OnceIds::BytesOf(const Scope& scope) {
  std::size_t bytes = 0;
  for (const Names* names : {scope.current.get(), scope.before.get()}) {
    if (names == nullptr) continue;
    names->ForEach([&](std::uint32_t, std::string_view id, const Nothing&) { bytes += id.size(); });
  }
  return bytes;
}

template <typename Held>
void OnceIds::SweepOne(KeyTable<Held>* table, Due due, std::int64_t now_ms) {
  const Held& held = table->ValueAt(due.entry);
  if (held.until_ms > now_ms) {
    due.when_ms = held.until_ms;
    dues_.push(due);
    return;
  }
  bytes_ -= BytesOf(held) + table->KeyAt(due.entry).size();
  table->Erase(due.entry);
}

void OnceIds::Sweep(std::int64_t now_ms) {
  for (int i = 0; i < kSweptAtMost && !dues_.empty() && dues_.top().when_ms <= now_ms; ++i) {
    const Due due = dues_.top();
    dues_.pop();
    if (due.scope) {
      SweepOne(&scopes_, due, now_ms);
    } else {
      SweepOne(&chunks_, due, now_ms);
    }
  }
}

void OnceIds::Save(std::string* out) const {
  chunks_.ForEach([&](std::uint32_t, std::string_view key, const Chunk& chunk) {
    out->push_back(kChunkMark);
    PutText(out, key);
    PutUint64(out, static_cast<std::uint64_t>(chunk.until_ms));
    chunk.ids.Save(out);
  });
  scopes_.ForEach([&](std::uint32_t, std::string_view key, const Scope& scope) {
    out->push_back(kScopeMark);
    PutText(out, key);
    PutUint64(out, static_cast<std::uint64_t>(scope.began_ms));
    PutUint64(out, static_cast<std::uint64_t>(scope.until_ms));
    for (const Names* names : {scope.current.get(), scope.before.get()}) {
      PutUint64(out, names == nullptr ? 0 : names->size());
      if (names == nullptr) continue;
      names->ForEach([&](std::uint32_t, std::string_view id, const Nothing&) { PutText(out, id); });
    }
  });
}

bool OnceIds::LoadChunk(ByteReader* reader) {
  const auto [entry, made] = chunks_.Insert(reader->Bytes(reader->Uint64()));
  Chunk& chunk = chunks_.ValueAt(entry);
  chunk.until_ms = static_cast<std::int64_t>(reader->Uint64());
  if (!made || !chunk.ids.Load(reader)) return false;
  dues_.push({chunk.until_ms, entry, false});
  bytes_ += chunks_.KeyAt(entry).size() + chunk.ids.bytes();
  return true;
}

bool OnceIds::LoadScope(ByteReader* reader) {
  const auto [entry, made] = scopes_.Insert(reader->Bytes(reader->Uint64()));
  Scope& scope = scopes_.ValueAt(entry);
  scope.began_ms = static_cast<std::int64_t>(reader->Uint64());
  scope.until_ms = static_cast<std::int64_t>(reader->Uint64());
  if (!made) return false;
  for (auto* names : {&scope.current, &scope.before}) {
    const std::uint64_t count = reader->Uint64();
    if (count == 0) continue;
    *names = std::make_unique<Names>(seed_);
    for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
      if (!(*names)->Insert(reader->Bytes(reader->Uint64())).second) return false;
    }
  }
  dues_.push({scope.until_ms, entry, true});
  bytes_ += scopes_.KeyAt(entry).size() + BytesOf(scope);
  return reader->ok();
}

}  // namespace rivulet
