// Short words for the conformance suite.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace rivulet::conformance {

using Kind = StoreReply::Kind;
using Mode = StoreBatch::Mode;

/// Within 1e-12 of the larger.
inline bool Close(double a, double b) {
  return a == b || std::fabs(a - b) <= 1e-12 * std::max(std::fabs(a), std::fabs(b));
}

inline std::vector<StoreReply> RunAll(Store& store, const StoreBatch& batch) {
  auto replies = store.Run(batch);
  INFO(replies.status().message());
  REQUIRE(replies.ok());
  REQUIRE(replies->size() == batch.size());
  return std::move(*replies);
}

/// The reply of one command in a batch of its own.
template <typename Fill>
StoreReply Ask(Store& store, Fill fill) {
  StoreBatch batch;
  fill(batch);
  return RunAll(store, batch).front();
}

/// Why one command fails, in both modes, which must agree on the kind of error. The message must
/// hold `named`.
template <typename Fill>
void CheckRefused(Store& store, std::string_view named, Fill fill) {
  StoreBatch alone;
  fill(alone);
  const auto replies = RunAll(store, alone);
  REQUIRE(replies.back().kind == Kind::kFailed);
  const Status& status = replies.back().status;
  INFO(status.message());
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.message().find(named) != std::string::npos);

  StoreBatch atomic(Mode::kAtomic);
  atomic.Set("must not be there", "1");
  fill(atomic);
  const Status refused = store.Run(atomic).status();
  INFO(refused.message());
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message().find(named) != std::string::npos);
  CHECK(Ask(store, [](StoreBatch& b) { b.Get("must not be there"); }).kind == Kind::kNothing);
}

/// The kinds of the replies, a letter each.
inline std::string KindsOf(const std::vector<StoreReply>& replies) {
  std::string kinds;
  for (const StoreReply& reply : replies) kinds += "dnswNtiF"[static_cast<int>(reply.kind)];
  return kinds;
}

inline std::string TextAt(Store& store, std::string_view key) {
  const auto reply = Ask(store, [&](StoreBatch& b) { b.Get(key); });
  return reply.kind == Kind::kNothing ? "(none)" : reply.text;
}

inline std::string FieldAt(Store& store, std::string_view key, std::string_view field) {
  const auto reply = Ask(store, [&](StoreBatch& b) { b.HashGet(key, field); });
  return reply.kind == Kind::kNothing ? "(none)" : reply.text;
}

inline double ScoreAt(Store& store, std::string_view key, std::string_view member) {
  const auto reply = Ask(store, [&](StoreBatch& b) { b.SortedScore(key, member); });
  return reply.kind == Kind::kNothing ? std::nan("") : reply.number;
}

inline std::map<std::string, std::string> FieldsAt(Store& store, std::string_view key) {
  std::map<std::string, std::string> fields;
  const auto reply = Ask(store, [&](StoreBatch& b) { b.HashAll(key); });
  REQUIRE(reply.kind == Kind::kItems);
  for (const StoreItem& item : reply.items) CHECK(fields.emplace(item.name, item.text).second);
  return fields;
}

/// "name=score name=score", in the order of the answer; scores must be short.
inline std::string TopOf(Store& store, std::string_view key, std::int64_t most) {
  const auto reply = Ask(store, [&](StoreBatch& b) { b.SortedTop(key, most); });
  REQUIRE(reply.kind == Kind::kItems);
  std::string top;
  for (const StoreItem& item : reply.items) {
    char score[32];
    std::snprintf(score, sizeof score, "%.6g", item.number);
    if (!top.empty()) top += ' ';
    top += item.name + "=" + score;
  }
  return top;
}

}  // namespace rivulet::conformance
