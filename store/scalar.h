// A text as a store holds it: what is a number is kept as one, and is counted on without reading
// or writing digits. Whoever asks for it sees the text alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rivulet {

class Scalar {
 public:
  Scalar() = default;
  Scalar(Scalar&&) = default;
  Scalar& operator=(Scalar&&) = default;
  Scalar(const Scalar& other);
  Scalar& operator=(const Scalar& other) { return *this = Scalar(other); }
  ~Scalar() = default;
  explicit Scalar(std::int64_t whole) : value_(whole) {}
  /// A whole number within 64 bits is a whole number, and its text has no point.
  explicit Scalar(double number);
  /// The same text comes back, whatever it is.
  explicit Scalar(std::string_view text);

  /// Digits of a whole number; a number by the shortest digits that read as it does.
  std::string Text() const;
  /// Nothing unless the text is a whole number of 64 bits: no plus, no leading zeros, no spaces.
  std::optional<std::int64_t> Whole() const {
    if (const auto* whole = std::get_if<std::int64_t>(&value_)) return *whole;
    return std::nullopt;
  }
  /// Nothing unless the text is a finite decimal number.
  std::optional<double> Number() const;
  bool Equals(std::string_view text) const;
  /// 8 for a number.
  std::size_t bytes() const {
    const auto* text = std::get_if<OwnText>(&value_);
    return text != nullptr ? (*text)->size() : 8;
  }

 private:
  // By pointer: a table of counters is to be small.
  using OwnText = std::unique_ptr<const std::string>;

  std::variant<std::int64_t, double, OwnText> value_;
};

}  // namespace rivulet
