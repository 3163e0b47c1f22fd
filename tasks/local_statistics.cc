#include "tasks/local_statistics.h"

#include <algorithm>
#include <random>

#include "tasks/saved_state.h"

namespace rivulet {
namespace {

/// Whoever sends the keys must not be able to choose such as collide.
std::uint64_t RandomSeed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

}  // namespace

LocalStatistics::LocalStatistics(const StatisticForm& form, std::size_t max_keys)
    : form_(form), max_keys_(max_keys), places_(0, Hash{RandomSeed(), RandomSeed()}) {
  if (max_keys_ == 0) states_.push_back({"", form_.Make(false)});
}

bool LocalStatistics::Place(std::string_view key, std::size_t* at) {
  if (const auto found = places_.find(key); found != places_.end()) {
    *at = found->second;
    return true;
  }
  if (states_.size() >= max_keys_) return false;
  *at = states_.size();
  states_.push_back({std::string(key), form_.Make(true)});
  places_.emplace(key, *at);
  return true;
}

Statistic* LocalStatistics::Update(std::string_view key, const Observation& observation) {
  std::size_t at = 0;
  if (max_keys_ > 0 && !Place(key, &at)) {
    ++other_keys_;
    return nullptr;
  }
  Statistic* statistic = states_[at].statistic.get();
  statistic->Update(observation);
  return statistic;
}

StatisticsFound LocalStatistics::Find(std::size_t most) const {
  StatisticsFound found;
  found.skipped = skipped_;
  found.keys = max_keys_ > 0 ? states_.size() : 0;
  found.other_keys = other_keys_;
  found.bad_keys = bad_keys_;
  for (const KeyedStatistic& state : states_) found.count += state.statistic->count();
  found.states = states_;
  const std::size_t kept = std::min(most, states_.size());
  std::partial_sort(found.states.begin(), found.states.begin() + static_cast<std::ptrdiff_t>(kept),
                    found.states.end(), [](const KeyedStatistic& a, const KeyedStatistic& b) {
                      const std::uint64_t more = a.statistic->count();
                      const std::uint64_t less = b.statistic->count();
                      return more != less ? more > less : a.key < b.key;
                    });
  found.states.resize(kept);
  return found;
}

void LocalStatistics::Save(std::string* bytes) const {
  if (max_keys_ == 0) {
    const Statistic& statistic = *states_.front().statistic;
    if (form_.saves_count()) PutUint64(bytes, statistic.count());
    PutUint64(bytes, skipped_);
    *bytes += statistic.Save();
    return;
  }
  for (const std::uint64_t number :
       {skipped_, bad_keys_, other_keys_, std::uint64_t{states_.size()}}) {
    PutUint64(bytes, number);
  }
  for (const auto& [key, statistic] : states_) {
    for (const std::string& part : {key, statistic->Save()}) {
      PutUint64(bytes, part.size());
      *bytes += part;
    }
  }
}

Status LocalStatistics::Load(std::string_view saved) {
  ByteReader bytes(saved);
  if (max_keys_ == 0) {
    const std::size_t head = form_.saves_count() ? 16 : 8;
    if (form_.saves_count()) bytes.Uint64();
    skipped_ = bytes.Uint64();
    const bool loaded =
        bytes.ok() && states_.front().statistic->Load(saved.substr(std::min(head, saved.size())));
    return loaded ? Status() : DamagedState(form_.format());
  }
  return LoadKeys(&bytes) ? Status() : DamagedState(form_.format());
}

bool LocalStatistics::LoadKeys(ByteReader* bytes) {
  skipped_ = bytes->Uint64();
  bad_keys_ = bytes->Uint64();
  other_keys_ = bytes->Uint64();
  const std::uint64_t keys = bytes->Uint64();
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = bytes->Bytes(bytes->Uint64());
    const std::string_view state = bytes->Bytes(bytes->Uint64());
    if (!bytes->ok() || !places_.emplace(key, states_.size()).second) return false;
    states_.push_back({std::string(key), form_.Make(true)});
    if (!states_.back().statistic->Load(state)) return false;
  }
  return bytes->Finished();
}

}  // namespace rivulet
