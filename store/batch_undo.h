// How an atomic batch is taken back: what was there before each of its changes, in order.
//
// Names are views into the batch, numbers stand in the record itself, so that what is kept for a
// counter costs no allocation. What a Space-Saving set lets go, and texts and values that were
// replaced, are kept beside.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/held_values.h"
#include "store/once_ids.h"

namespace rivulet {

/// A change is told before it is made. While not open, nothing is kept.
class BatchUndo {
 public:
  void Open() {
    open_ = true;
    ++batch_;
  }
  bool open() const { return open_; }
  /// The batch is done: forgets everything.
  void Close();
  /// Undoes everything, the last first, and closes.
  void Revert(HeldValues* held, OnceIds* once);

  /// There was nothing at `key`.
  void KeepAbsent(std::string_view key) {
    if (open_) records_.push_back({What::kAbsent, false, key, {}, 0});
  }
  /// What was at `key`, and is replaced or removed.
  void KeepValue(std::string_view key, HeldValue value);
  void KeepExpiry(std::string_view key, std::int64_t expires_ms) {
    if (open_) records_.push_back({What::kExpiry, true, key, {}, expires_ms});
  }
  void KeepScalar(std::string_view key, const Scalar& held) {
    if (open_) KeepText(What::kScalar, key, {}, &held);
  }
  /// nullptr: the hash has no such field, or there is no hash.
  void KeepField(std::string_view key, std::string_view field, const Scalar* held) {
    if (open_) KeepText(What::kField, key, field, held);
  }
  void KeepMember(std::string_view key, std::string_view member, std::optional<double> score);
  /// The same of a member whose name is not of the batch.
  void KeepOtherMember(std::string_view key, std::string_view member, double score) {
    if (open_) KeepMember(key, names_.emplace_back(member), score);
  }
  /// Before elements are added, for the first time in this batch.
  void KeepDistinct(std::string_view key, DistinctElements* distinct);
  /// After the id was asked for.
  void KeepOnce(std::string_view scope, std::string_view id, OnceIds::Before before);

 private:
  enum class What : std::uint8_t {
    kAbsent,
    kValue,
    kExpiry,
    kScalar,      // bits: the whole number
    kScalarText,  // bits: its place in texts_
    kField,
    kFieldText,
    kMember,  // bits: of the score
    kOnce,    // bits: its place in onces_
  };
  struct Record {
    What what;
    bool held;
    std::string_view key;
    std::string_view name;
    std::int64_t bits;
  };

  void KeepText(What what, std::string_view key, std::string_view field, const Scalar* held);
  void RevertOne(const Record& record, HeldValues* held, OnceIds* once);
  void RevertField(const Record& record, HeldValues* held);
  void RevertMember(const Record& record, HeldValues* held);
  Scalar ScalarOf(const Record& record) const;

  bool open_ = false;
  std::uint64_t batch_ = 0;
  std::vector<Record> records_;
  std::vector<Scalar> texts_;
  std::vector<HeldValue> values_;
  std::vector<OnceIds::Before> onces_;
  std::deque<std::string> names_;
};

}  // namespace rivulet
