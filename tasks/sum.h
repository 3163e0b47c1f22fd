// sum:field=PATH: how many numbers there were, and their sum.
//
// Integers add up exactly, to 128 bits: large identifiers and amounts lose no digit. Other numbers
// add up by Neumaier's summation, whose error does not grow with their count: A. Neumaier,
// "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54 (1974).
// Messages where the field is absent or no number are skipped, and counted so.
//
// The summary has `sum`, and where a number cannot hold all digits of a sum of integers, these as
// the text `exact`.
#pragma once

#include "base/json_field.h"
#include "queuereader/task.h"

namespace rivulet {

__extension__ using Int128 = __int128;

/// A sum of doubles with what rounding has taken from it.
class CompensatedSum {
 public:
  void Add(double x);
  double value() const;

  double sum = 0;
  double lost = 0;
};

class SumTask final : public Task {
 public:
  explicit SumTask(TaskArgs& args);
  Outcome Run(const Message& message, Context& context) override;
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;

 private:
  std::string Arguments() const { return "field=" + field_; }
  /// A number of which a double may not hold all digits.
  void AddLarge(const Message& message, double rounded);
  /// False when it does not fit.
  bool AddInteger(Int128 x);

  std::string field_;
  JsonFieldReader reader_;
  std::uint64_t count_ = 0;
  std::uint64_t skipped_ = 0;
  Int128 integers_ = 0;
  CompensatedSum others_;
  bool only_integers_ = true;
};

}  // namespace rivulet
