// A ledger's decisions as bytes:
//
//   rivulet ledger 1\n
//   seed of the hashes, 8 bytes; count of origins, and each one's name
//   count of decisions, and of each:
//     flags: fate, kAwaited (it has no receipt), kSamePlace, kTold (in vain: it is awaited),
//     kAsItWas (the queue has it without the body) origin, incarnation: unless they are the one's
//     before number in its queue; hash of the body, 8 bytes receipt: unless it has none due
//     (nanoseconds of the wall clock, 8 bytes), body: of a requeue
//
// Numbers are varints, texts their size as a varint and their bytes; others are little-endian.
#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "journal/format.h"
#include "queuereader/runner/ledger.h"
#include "queuereader/runner/ledger_entries.h"

namespace rivulet {

namespace {

constexpr std::string_view kFirstLine = "rivulet ledger 1\n";
constexpr std::uint64_t kFateMask = 3;
constexpr std::uint64_t kAwaited = 4;
constexpr std::uint64_t kSamePlace = 8;
constexpr std::uint64_t kTold = 16;
constexpr std::uint64_t kAsItWas = 32;
constexpr std::uint64_t kMaxFlags = 63;

void AppendFixed(std::string* out, std::uint64_t value) {
  std::array<char, 8> bytes;
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  out->append(bytes.data(), bytes.size());
}

void AppendText(std::string* out, std::string_view text) {
  AppendVarint(out, text.size());
  *out += text;
}

bool TakeFixed(std::string_view* bytes, std::uint64_t* value) {
  if (bytes->size() < 8) return false;
  *value = 0;
  for (std::size_t i = 8; i-- > 0;) {
    *value = *value << 8 | static_cast<unsigned char>((*bytes)[i]);
  }
  bytes->remove_prefix(8);
  return true;
}

bool TakeText(std::string_view* bytes, std::string_view* text) {
  std::uint64_t size = 0;
  if (!TakeNumber(bytes, &size) || size > bytes->size()) return false;
  *text = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

bool IsDecided(LedgerState state) {
  return state == LedgerState::kDecided || state == LedgerState::kWaiting ||
         state == LedgerState::kReady || state == LedgerState::kSettling;
}

class Writer {
 public:
  void Add(const LedgerEntry& entry, bool told) {
    const bool awaited = entry.receipt.empty();
    const bool same_place =
        count_ > 0 && entry.key.origin == place_.first && entry.key.incarnation == place_.second;
    bytes_ += static_cast<char>(static_cast<std::uint64_t>(entry.fate) | (awaited ? kAwaited : 0) |
                                (same_place ? kSamePlace : 0) | (told ? kTold : 0) |
                                (entry.as_it_was ? kAsItWas : 0));
    if (!same_place) {
      AppendVarint(&bytes_, entry.key.origin);
      AppendVarint(&bytes_, entry.key.incarnation);
      place_ = {entry.key.origin, entry.key.incarnation};
    }
    AppendVarint(&bytes_, entry.key.id);
    AppendFixed(&bytes_, entry.key.body_hash);
    if (!awaited) AppendText(&bytes_, entry.receipt);
    if (entry.requeue) {
      AppendFixed(&bytes_,
                  static_cast<std::uint64_t>(entry.requeue->due.time_since_epoch().count()));
      AppendText(&bytes_, entry.requeue->body);
    }
    ++count_;
  }
  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::uint64_t count_ = 0;
  std::pair<std::uint32_t, std::uint64_t> place_;
};

struct SavedDecision {
  std::uint64_t flags = 0;
  std::uint64_t origin = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t id = 0;
  std::uint64_t body_hash = 0;
  std::string_view receipt;
  std::uint64_t due = 0;
  std::string_view body;

  Fate fate() const { return static_cast<Fate>(flags & kFateMask); }
};

/// `decision` holds the one before.
bool TakeDecision(std::string_view* bytes, bool first, SavedDecision* decision) {
  if (!TakeNumber(bytes, &decision->flags) || decision->flags > kMaxFlags) return false;
  if (decision->fate() == Fate::kReturn) return false;
  if ((decision->flags & kAsItWas) != 0 && decision->fate() != Fate::kRequeue) return false;
  if ((decision->flags & kSamePlace) != 0) {
    if (first) return false;
  } else if (!TakeNumber(bytes, &decision->origin) || !TakeNumber(bytes, &decision->incarnation)) {
    return false;
  }
  if (!TakeNumber(bytes, &decision->id) || !TakeFixed(bytes, &decision->body_hash)) return false;
  decision->receipt = {};
  if ((decision->flags & kAwaited) == 0 && !TakeText(bytes, &decision->receipt)) return false;
  return decision->fate() != Fate::kRequeue ||
         (TakeFixed(bytes, &decision->due) && TakeText(bytes, &decision->body));
}

/// Which of the names now is the one that was saved as the first, the second and so on; nothing: of
/// none.
std::vector<std::optional<std::uint32_t>> OriginsOf(const std::vector<std::string_view>& saved,
                                                    const std::vector<std::string>& names) {
  std::vector<std::optional<std::uint32_t>> origins(saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    for (std::uint32_t j = 0; j < names.size() && !origins[i]; ++j) {
      if (saved[i] == names[j]) origins[i] = j;
    }
  }
  return origins;
}

/// False when an earlier decision was of the same message.
bool Restore(const SavedDecision& decision, std::uint32_t origin, LedgerEntries* ledger) {
  const LedgerKey key{decision.incarnation, decision.id, decision.body_hash, origin};
  if (ledger->Find(key) != 0) return false;
  const std::uint32_t number = ledger->Add(key);
  LedgerEntry& entry = ledger->Of(number);
  entry.fate = decision.fate();
  entry.receipt = decision.receipt;
  entry.leased_until = {};
  if (entry.fate == Fate::kRequeue) {
    entry.requeue = std::make_unique<LedgerRequeue>();
    entry.requeue->due = WallTime(Duration(static_cast<std::int64_t>(decision.due)));
    entry.requeue->body = decision.body;
    entry.as_it_was = (decision.flags & kAsItWas) != 0 && !decision.body.empty();
  }
  entry.lost = (decision.flags & kAwaited) != 0;
  ledger->Cover(number);
  return true;
}

}  // namespace

std::string Ledger::Save(const std::vector<std::string>& origin_names) const {
  Writer writer;
  for (const LedgerEntry& entry : entries_->pool) {
    const bool kept = entry.state == LedgerState::kInHand && entry.as_it_was;
    if (IsDecided(entry.state) || kept) writer.Add(entry, false);
  }
  const LedgerList& awaited = entries_->awaited;
  if (entries_->saved_awaited.empty()) {
    Writer others;
    for (std::uint32_t at = awaited.first; at != 0; at = entries_->pool[at].next) {
      others.Add(entries_->pool[at], true);
    }
    entries_->saved_awaited = others.bytes();
  }
  std::string saved(kFirstLine);
  AppendFixed(&saved, entries_->hash_seed);
  AppendVarint(&saved, origin_names.size());
  for (const std::string& name : origin_names) AppendText(&saved, name);
  AppendVarint(&saved, writer.count() + awaited.size);
  saved.reserve(saved.size() + writer.bytes().size() + entries_->saved_awaited.size());
  saved += writer.bytes();
  return saved += entries_->saved_awaited;
}

Status Ledger::Load(std::string_view saved, const std::vector<std::string>& origin_names,
                    std::vector<Dropped>* dropped) {
  const std::size_t size = saved.size();
  const auto corrupt = [&](const char* what) {
    return Status(StatusCode::kCorrupt, fmt::format("ledger: {} at byte {} of {}; it must be one "
                                                    "that was saved by this version",
                                                    what, size - saved.size(), size));
  };
  if (!saved.starts_with(kFirstLine)) return corrupt("another beginning");
  saved.remove_prefix(kFirstLine.size());
  std::uint64_t seed = 0;
  std::uint64_t count = 0;
  if (!TakeFixed(&saved, &seed) || !TakeNumber(&saved, &count)) return corrupt("no head");
  std::vector<std::string_view> names;
  for (std::string_view name; count > 0; --count) {
    if (!TakeText(&saved, &name)) return corrupt("no name of an origin");
    names.push_back(name);
  }
  const auto origins = OriginsOf(names, origin_names);
  auto loaded =
      std::make_unique<LedgerEntries>(seed, entries_->max_awaited, entries_->max_awaited_bytes);
  if (!TakeNumber(&saved, &count)) return corrupt("no count");
  std::vector<Dropped> others(names.size());
  SavedDecision decision;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!TakeDecision(&saved, i == 0, &decision)) return corrupt("no decision");
    if (decision.origin >= origins.size()) return corrupt("a decision of no origin");
    const auto origin = origins[decision.origin];
    if (origin && !Restore(decision, *origin, loaded.get())) return corrupt("a decision again");
    if (!origin) {
      const bool told = (decision.flags & (kTold | kAwaited)) != 0;
      ++(told ? others[decision.origin].awaited : others[decision.origin].decisions);
    }
  }
  if (!saved.empty()) return corrupt("more than there should be");
  entries_ = std::move(loaded);
  for (std::size_t i = 0; dropped != nullptr && i < others.size(); ++i) {
    if (others[i].decisions + others[i].awaited == 0) continue;
    others[i].origin = names[i];
    dropped->push_back(std::move(others[i]));
  }
  return Status::Ok();
}

}  // namespace rivulet
