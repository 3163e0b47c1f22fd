#include "bandit/item_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "http/message.h"

namespace rivulet {

namespace {

// A draw of a rate in millionths; what is no rate as any number.
void AppendDraw(std::string* out, double draw) {
  constexpr double kMillion = 1e6;
  if (!(draw >= 0 && draw < 1 - 1 / kMillion)) {
    return AppendJsonNumber(out, std::round(draw * kMillion) / kMillion);
  }
  auto millionths = static_cast<std::uint64_t>(std::llround(draw * kMillion));
  char digits[] = "0.000000";
  for (char* digit = digits + 7; millionths > 0; --digit, millionths /= 10) {
    *digit = static_cast<char>('0' + millionths % 10);
  }
  out->append(digits, 8);
}

std::vector<std::string> EachOnce(const std::vector<std::string>& ids) {
  std::vector<std::string> once;
  for (const std::string& id : ids) {
    if (std::find(once.begin(), once.end(), id) == once.end()) once.push_back(id);
  }
  return once;
}

}  // namespace

std::string_view ArmsStateName(ArmsState state) {
  switch (state) {
    case ArmsState::kCurrent:
      return "current";
    case ArmsState::kLastKnown:
      return "last-known";
    case ArmsState::kFallback:
      return "fallback";
    case ArmsState::kNone:
      break;
  }
  return "none";
}

Digits::Digits(std::uint64_t value) { Prepend(value, 1); }

Digits::Digits(Duration duration) {
  const auto ms = std::max<std::int64_t>(0, duration / std::chrono::milliseconds(1));
  Prepend(static_cast<std::uint64_t>(ms % 1000), 3);
  *--begin_ = '.';
  Prepend(static_cast<std::uint64_t>(ms / 1000), 1);
}

void Digits::Prepend(std::uint64_t value, int least) {
  for (; value > 0 || least > 0; value /= 10, --least) {
    *--begin_ = static_cast<char>('0' + value % 10);
  }
}

ItemAnswers::ItemAnswers(const ArmsSource& source, const BanditApiOptions& options,
                         std::uint64_t seed)
    : source_(source),
      policy_(options.policy),
      prior_(options.prior),
      fallback_(EachOnce(options.fallback)),
      stale_after_(options.stale_after),
      reads_each_request_(options.reads_each_request),
      picker_(MakePickRules(options)),
      random_(seed) {}

ArmsState ItemAnswers::State(MonoTime now, MonoTime since) const {
  const KnownArms& known = source_.known();
  if (known.arms == nullptr || known.arms->arms.empty()) {
    return fallback_.empty() ? ArmsState::kNone : ArmsState::kFallback;
  }
  const bool late = reads_each_request_
                        ? known.asked_at < since || !known.status.ok()
                        : now - known.asked_at > std::max(stale_after_, known.fresh_for);
  return late ? ArmsState::kLastKnown : ArmsState::kCurrent;
}

const Picker& ItemAnswers::picker() {
  Renew();
  return picker_;
}

void ItemAnswers::Renew() {
  if (source_.known().arms != nullptr) picker_.Use(source_.known().arms);
}

const ItemAnswer& ItemAnswers::Answer(const ItemRequest& request, MonoTime now, MonoTime since) {
  Renew();
  const KnownArms& known = source_.known();
  answer_.status = 200;
  answer_.content_type = request.as_json ? kApplicationJson : kTextPlain;
  answer_.body.clear();
  answer_.picked = 0;
  answer_.has_age = known.arms != nullptr;
  answer_.age = now - known.asked_at;
  answer_.round = known.arms == nullptr ? 0 : known.arms->round;
  answer_.state = State(now, since);
  SplitIds(request.excluded, &excluded_);
  if (!AnswerPicks(request)) AnswerFallback(request);
  return answer_;
}

bool ItemAnswers::AnswerPicks(const ItemRequest& request) {
  const auto picks = picker_.Pick(
      {.items = request.items, .exclude = excluded_, .context = request.context}, random_);
  if (picks.empty()) return false;
  BeginItems(request);
  for (const ScoredArm& pick : picks) AddItem(request, picker_.arm(pick.arm).id, &pick.score);
  EndItems(request);
  if (answer_.status != 200) return true;
  answer_.picked = picks.size();
  if (request.is_head) return true;
  for (const ScoredArm& pick : picks) picker_.NotePicked(pick.arm);
  return true;
}

void ItemAnswers::AnswerFallback(const ItemRequest& request) {
  left_.clear();
  for (const std::string& id : fallback_) {
    if (std::find(excluded_.begin(), excluded_.end(), id) == excluded_.end()) left_.push_back(id);
  }
  if (left_.empty()) return AnswerNothing(request);
  answer_.state = ArmsState::kFallback;
  BeginItems(request);
  for (std::size_t i = 0; i < request.items && !left_.empty(); ++i) {
    std::swap(left_[random_.Below(left_.size())], left_.back());
    AddItem(request, left_.back(), nullptr);
    left_.pop_back();
  }
  EndItems(request);
}

void ItemAnswers::AnswerNothing(const ItemRequest& request) {
  answer_.state = ArmsState::kNone;
  const KnownArms& known = source_.known();
  if (known.arms != nullptr && !known.arms->arms.empty()) {
    return AnswerError(request, 503, "every item is excluded: exclude= must leave one");
  }
  if (!fallback_.empty()) {
    return AnswerError(request, 503,
                       "there are no arms, and exclude= leaves none of the fallback either");
  }
  if (known.arms != nullptr) {
    return AnswerError(request, 503,
                       "the set of items is empty: let the task bandit fill it, or give "
                       "--fallback=ID");
  }
  AnswerError(
      request, 503,
      fmt::format("there are no arms yet: {}; --fallback=ID would be answered meanwhile",
                  known.status.ok() ? "the store has not been read" : known.status.message()));
}

void ItemAnswers::AnswerError(const ItemRequest& request, int status, std::string_view message) {
  answer_.status = status;
  answer_.body.clear();
  if (!request.as_json) {
    answer_.body.append(message).push_back('\n');
    return;
  }
  answer_.body = fmt::format("{{\"status\":{},\"error\":", status);
  AppendJsonString(&answer_.body, message);
  answer_.body.append(",\"arms\":\"").append(ArmsStateName(answer_.state)).append("\"}\n");
}

void ItemAnswers::BeginItems(const ItemRequest& request) {
  if (request.as_json) answer_.body.append("{\"items\":[");
}

void ItemAnswers::AddItem(const ItemRequest& request, std::string_view id, const double* draw) {
  std::string& body = answer_.body;
  if (!request.as_json) {
    // Two lines of one id would be two items to who reads them.
    if (request.as_lines && id.find_first_of("\r\n") != std::string_view::npos) {
      answer_.status = 409;
    }
    body.append(id);
    if (request.as_lines) body.push_back('\n');
    return;
  }
  if (body.back() != '[') body.push_back(',');
  body.append("{\"item\":");
  AppendJsonString(&body, id);
  if (draw != nullptr) {
    body.append(",\"draw\":");
    AppendDraw(&body, *draw);
  }
  body.push_back('}');
}

void ItemAnswers::EndItems(const ItemRequest& request) {
  if (answer_.status == 409) {
    return AnswerError(request, 409,
                       "an item's id has a line feed: ask with format=json, or without n=");
  }
  if (!request.as_json) return;
  answer_.body.append("],\"round\":")
      .append(Digits(answer_.round).text())
      .append(",\"policy\":\"")
      .append(policy_)
      .append("\",\"arms\":\"")
      .append(ArmsStateName(answer_.state))
      .append("\"}\n");
}

}  // namespace rivulet
