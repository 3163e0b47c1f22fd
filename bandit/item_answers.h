// Answers requests for GET /item, without HTTP: from the arms where there are some, read now or a
// while ago, else from the fallback.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/random.h"
#include "bandit/api_options.h"
#include "bandit/arms_source.h"
#include "bandit/item_request.h"
#include "bandit/picker.h"
#include "base/clock.h"

namespace rivulet {

/// Where an answer comes from.
enum class ArmsState : std::uint8_t {
  kCurrent,    // arms that were read lately; where each request reads: for it
  kLastKnown,  // arms that could not be read anew for so long that it matters
  kFallback,   // there are none, or none that may be answered
  kNone,       // nor is there a fallback
};
/// "current", "last-known", "fallback", "none".
std::string_view ArmsStateName(ArmsState state);

/// A number as digits: of the fields that each answer has.
class Digits {
 public:
  explicit Digits(std::uint64_t value);
  /// Seconds with 3 decimals; none below 0.
  explicit Digits(Duration duration);
  Digits(const Digits&) = delete;
  Digits& operator=(const Digits&) = delete;
  std::string_view text() const { return {begin_, end_}; }

 private:
  void Prepend(std::uint64_t value, int least);
  char digits_[32];
  char* const end_ = digits_ + sizeof digits_;
  char* begin_ = end_;
};

struct ItemAnswer {
  int status = 200;
  std::string_view content_type;
  std::string body;
  ArmsState state = ArmsState::kNone;
  std::size_t picked = 0;  // items of the arms in it
  bool has_age = false;    // there are arms
  Duration age{};
  std::uint64_t round = 0;
};

class ItemAnswers {
 public:
  /// `source` must outlive it.
  ItemAnswers(const ArmsSource& source, const BanditApiOptions& options, std::uint64_t seed);

  /// Valid until the next. Arms are current until they are older than stale_after (and than what
  /// the source takes with all in order); where each request reads, only if they were asked for
  /// after `since` and the last reading was well. Learns nothing; what was picked is counted unless
  /// it is HEAD.
  const ItemAnswer& Answer(const ItemRequest& request, MonoTime now, MonoTime since);

  /// What an answer given now would come from.
  ArmsState State(MonoTime now, MonoTime since) const;
  /// Of the arms as they are now known.
  const Picker& picker();
  std::string_view policy() const { return policy_; }
  std::string_view prior() const { return prior_; }

 private:
  void Renew();
  bool AnswerPicks(const ItemRequest& request);
  void AnswerFallback(const ItemRequest& request);
  void AnswerNothing(const ItemRequest& request);
  void AnswerError(const ItemRequest& request, int status, std::string_view message);
  void BeginItems(const ItemRequest& request);
  void AddItem(const ItemRequest& request, std::string_view id, const double* draw);
  void EndItems(const ItemRequest& request);

  const ArmsSource& source_;
  const std::string policy_;
  const std::string prior_;
  const std::vector<std::string> fallback_;
  const Duration stale_after_;
  const bool reads_each_request_;
  Picker picker_;
  Random random_;

  ItemAnswer answer_;
  std::vector<std::string_view> excluded_;
  std::vector<std::string_view> left_;  // of the fallback
};

}  // namespace rivulet
