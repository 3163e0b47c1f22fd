#include "tasks/shared_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "queuereader/task_unusable.h"

namespace rivulet {
namespace {

constexpr Duration kPatience = std::chrono::seconds(1);
constexpr int kTries = 3;

using Kind = StoreReply::Kind;

/// Why a batch that reads was not answered whole; OK where it was.
Status FirstFailure(const std::vector<StoreReply>& replies) {
  for (const StoreReply& reply : replies) {
    if (reply.kind == Kind::kFailed) return reply.status;
  }
  return {};
}

std::uint64_t CountOf(const std::vector<StoreItem>& items, std::string_view name) {
  for (const StoreItem& item : items) {
    if (item.name == name) return StoredCount(item.text);
  }
  return 0;
}

}  // namespace

SharedStatistics::SharedStatistics(const StatisticForm& form, Store* store, Options options)
    : form_(form),
      store_(store),
      prefix_(std::move(options.prefix)),
      form_text_(std::move(options.form)),
      max_keys_(options.max_keys),
      form_key_(prefix_ + ":form"),
      counts_key_(prefix_ + ":counts"),
      keys_key_(prefix_ + ":keys") {
  Begin();
}

void SharedStatistics::Begin() {
  batch_.Clear();
  admits_.clear();
  all_have_ids_ = true;
  telling_ = untold_;
  batch_.RequireHash(form_key_, "form", form_text_);
  if (telling_ == 0) return;
  batch_.Once(prefix_, {});
  batch_.HashIncrement(counts_key_, "other_keys", static_cast<std::int64_t>(telling_));
  all_have_ids_ = false;
}

void SharedStatistics::set_untold_other_keys(std::uint64_t count) {
  untold_ = count;
  Begin();
}

void SharedStatistics::Update(std::string_view id, std::string_view key,
                              const Observation& observation) {
  all_have_ids_ = all_have_ids_ && !id.empty();
  batch_.Once(prefix_, id);
  key_ = prefix_;
  if (max_keys_ > 0) {
    key_.append("|").append(key);
    admits_.push_back(batch_.size());
    batch_.Admit(keys_key_, key, static_cast<std::int64_t>(max_keys_));
  }
  batch_.HashIncrement(counts_key_, "count", 1);
  form_.Share(&batch_, key_, observation);
}

void SharedStatistics::CountOnly(std::string_view id, std::string_view what) {
  all_have_ids_ = all_have_ids_ && !id.empty();
  batch_.Once(prefix_, id);
  batch_.HashIncrement(counts_key_, what, 1);
}

Status SharedStatistics::Commit() {
  Status status = TryCommit();
  for (int tries = 1; tries < kTries && !status.ok(); ++tries) {
    const bool conflict = status.code() == StatusCode::kConflict;
    // Guarded by ids it may be done again.
    if (!conflict && !(status.code() == StatusCode::kUnknownOutcome && all_have_ids_)) break;
    if (conflict) status = AgreeOnForm();
    if (!conflict || status.ok()) status = TryCommit();
  }
  Begin();
  if (status.code() == StatusCode::kUnavailable) throw TaskUnusable(status.message());
  return status;
}

Status SharedStatistics::TryCommit() {
  const auto replies = store_->Run(batch_);
  if (!replies.ok()) return replies.status();
  untold_ -= telling_;
  for (const std::size_t at : admits_) {
    if (at >= replies->size()) continue;
    const StoreReply& reply = (*replies)[at];
    if (reply.kind == Kind::kWhole && reply.whole == 0) ++untold_;
  }
  return {};
}

Status SharedStatistics::AgreeOnForm() {
  const auto there = store_->HashGet(form_key_, "form");
  if (!there.ok()) return there.status();
  if (!*there) {
    StoreBatch batch(StoreBatch::Mode::kAtomic);
    batch.RequireAbsent(form_key_);
    batch.HashSet(form_key_, "form", form_text_);
    Status status = store_->Run(batch).status();
    if (status.code() != StatusCode::kConflict) return status;
    return AgreeOnForm();  // somebody else was quicker
  }
  if (**there == form_text_) return {};
  throw TaskUnusable(fmt::format(
      "under the prefix '{}' the store has statistics of '{}', and not of '{}'; give one of the "
      "two another prefix=",
      prefix_, **there, form_text_));
}

StatisticsFound SharedStatistics::Find(std::size_t most) const {
  StatisticsFound found;
  StoreBatch ask;
  ask.set_patience(kPatience);
  ask.HashAll(counts_key_);
  if (max_keys_ > 0) {
    ask.SortedSize(keys_key_);
    ask.SortedTop(keys_key_, static_cast<std::int64_t>(most));
  }
  const auto replies = store_->Run(ask);
  const Status status = replies.ok() ? FirstFailure(*replies) : replies.status();
  if (!status.ok()) {
    found.trouble = status.message();
    return found;
  }
  const std::vector<StoreItem>& counts = (*replies)[0].items;
  found.count = CountOf(counts, "count");
  found.skipped = CountOf(counts, "skipped");
  found.bad_keys = CountOf(counts, "bad_keys");
  found.other_keys = CountOf(counts, "other_keys") + untold_;
  std::vector<std::string> keys;
  std::vector<std::uint64_t> of_keys;
  if (max_keys_ > 0) {
    found.keys = static_cast<std::uint64_t>((*replies)[1].whole);
    for (const StoreItem& item : (*replies)[2].items) {
      keys.push_back(item.name);
      of_keys.push_back(static_cast<std::uint64_t>(std::clamp(item.number, 0.0, 1e18)));
    }
  } else {
    keys.emplace_back();
    of_keys.push_back(found.count);
  }
  FindStates(keys, of_keys, &found);
  return found;
}

Result<std::vector<StoreReply>> SharedStatistics::AskStates(const std::vector<std::string>& keys,
                                                            std::vector<std::size_t>* parts) const {
  StoreBatch ask;
  ask.set_patience(kPatience);
  for (const std::string& key : keys) {
    parts->push_back(ask.size());
    form_.Ask(&ask, max_keys_ > 0 ? prefix_ + "|" + key : prefix_);
  }
  parts->push_back(ask.size());
  return ask.empty() ? Result<std::vector<StoreReply>>(std::vector<StoreReply>())
                     : store_->Run(ask);
}

void SharedStatistics::FindStates(const std::vector<std::string>& keys,
                                  const std::vector<std::uint64_t>& counts,
                                  StatisticsFound* found) const {
  std::vector<std::size_t> parts;
  const auto replies = AskStates(keys, &parts);
  const Status status = replies.ok() ? FirstFailure(*replies) : replies.status();
  if (!status.ok()) {
    found->trouble = status.message();
    return;
  }
  const std::span<const StoreReply> all(*replies);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    StatisticPtr statistic =
        form_.Answer(all.subspan(parts[i], parts[i + 1] - parts[i]), counts[i]);
    if (statistic) found->states.push_back({keys[i], std::move(statistic)});
  }
}

}  // namespace rivulet
