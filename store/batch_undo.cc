#include "store/batch_undo.h"

#include <bit>
#include <utility>

namespace rivulet {

void BatchUndo::Close() {
  open_ = false;
  records_.clear();
  texts_.clear();
  values_.clear();
  onces_.clear();
  names_.clear();
}

void BatchUndo::KeepValue(std::string_view key, HeldValue value) {
  if (!open_) return;
  records_.push_back({What::kValue, true, key, {}, static_cast<std::int64_t>(values_.size())});
  values_.push_back(std::move(value));
}

void BatchUndo::KeepText(What what, std::string_view key, std::string_view field,
                         const Scalar* held) {
  if (held == nullptr) {
    records_.push_back({what, false, key, field, 0});
  } else if (const auto whole = held->Whole()) {
    records_.push_back({what, true, key, field, *whole});
  } else {
    what = what == What::kField ? What::kFieldText : What::kScalarText;
    records_.push_back({what, true, key, field, static_cast<std::int64_t>(texts_.size())});
    texts_.push_back(*held);
  }
}

void BatchUndo::KeepMember(std::string_view key, std::string_view member,
                           std::optional<double> score) {
  if (!open_) return;
  records_.push_back({What::kMember, score.has_value(), key, member,
                      std::bit_cast<std::int64_t>(score.value_or(0))});
}

void BatchUndo::KeepDistinct(std::string_view key, DistinctElements* distinct) {
  if (!open_ || distinct->kept_for_batch == batch_) return;
  distinct->kept_for_batch = batch_;
  HeldValue copy;
  copy.value = std::make_unique<DistinctElements>(*distinct);
  KeepValue(key, std::move(copy));
  records_.back().held = false;  // its expiry is not of the copy
}

void BatchUndo::KeepOnce(std::string_view scope, std::string_view id, OnceIds::Before before) {
  if (!open_ || !before.changed()) return;
  records_.push_back({What::kOnce, true, scope, id, static_cast<std::int64_t>(onces_.size())});
  onces_.push_back(std::move(before));
}

void BatchUndo::Revert(HeldValues* held, OnceIds* once) {
  for (; !records_.empty(); records_.pop_back()) RevertOne(records_.back(), held, once);
  Close();
}

Scalar BatchUndo::ScalarOf(const Record& record) const {
  if (record.what == What::kScalar || record.what == What::kField) return Scalar(record.bits);
  return texts_[static_cast<std::size_t>(record.bits)];
}

void BatchUndo::RevertOne(const Record& record, HeldValues* held, OnceIds* once) {
  if (record.what == What::kOnce) {
    auto& before = onces_[static_cast<std::size_t>(record.bits)];
    return once->Forget(record.key, record.name, std::move(before));
  }
  std::uint32_t at = held->Find(record.key);
  switch (record.what) {
    case What::kAbsent:
      if (at != HeldValues::kNone) held->Remove(at);
      break;
    case What::kExpiry:
      held->SetExpiry(at, record.bits);
      break;
    case What::kScalar:
    case What::kScalarText: {
      Scalar& scalar = *held->At(at).scalar();
      Scalar before = ScalarOf(record);
      held->CountBytes(scalar.bytes(), before.bytes());
      scalar = std::move(before);
      break;
    }
    case What::kValue: {
      HeldValue& before = values_[static_cast<std::size_t>(record.bits)];
      std::int64_t expires_ms = std::exchange(before.expires_ms, 0);
      if (!record.held) expires_ms = held->At(at).expires_ms;
      if (at != HeldValues::kNone) held->Remove(at);
      at = held->Make(record.key);
      held->CountBytes(0, before.bytes());
      held->At(at) = std::move(before);
      held->SetExpiry(at, expires_ms);
      break;
    }
    case What::kMember:
      RevertMember(record, held);
      break;
    default:
      RevertField(record, held);
  }
}

// A hash or a set that the batch made is gone with its last field; one that the batch took the last
// of was kept as a value. Where there is none all the same, it went with what expired.
void BatchUndo::RevertField(const Record& record, HeldValues* held) {
  std::uint32_t at = held->Find(record.key);
  if (at == HeldValues::kNone) {
    if (!record.held) return;
    at = held->Make(record.key);
    held->At(at).value = held->NewHash();
  }
  HashFields& fields = *held->At(at).hash();
  const auto [field, made] = fields.Insert(record.name);
  Scalar& text = fields.ValueAt(field);
  if (record.held) {
    Scalar before = ScalarOf(record);
    held->CountBytes(made ? 0 : record.name.size() + text.bytes(),
                     record.name.size() + before.bytes());
    text = std::move(before);
  } else {
    held->CountBytes(made ? 0 : record.name.size() + text.bytes(), 0);
    fields.Erase(field);
    held->Tidy(at);
  }
}

void BatchUndo::RevertMember(const Record& record, HeldValues* held) {
  std::uint32_t at = held->Find(record.key);
  if (at == HeldValues::kNone) {
    if (!record.held) return;
    at = held->Make(record.key);
    held->At(at).value = held->NewSorted();
  }
  SortedSet& sorted = *held->At(at).sorted();
  const std::size_t member_bytes = record.name.size() + 8;
  if (record.held) {
    const bool made = sorted.Set(record.name, std::bit_cast<double>(record.bits));
    if (made) held->CountBytes(0, member_bytes);
  } else if (sorted.Erase(record.name)) {
    held->CountBytes(member_bytes, 0);
    held->Tidy(at);
  }
}

}  // namespace rivulet
