// What is known of one arm whose reward depends on a context: the linear function of the context's
// features with the least squared error so far, and how sure it is of a context.
//
// Source: ridge regression as L. Li, W. Chu, J. Langford, R. E. Schapire, "A Contextual-Bandit
// Approach to Personalized News Article Recommendation", WWW 2010, have it for LinUCB with disjoint
// arms: A = ridge I + sum of x x', b = sum of reward x, weights A^-1 b, variance of a context
// x' A^-1 x. The inverse is changed by J. Sherman's and W. J. Morrison's formula (1950), and made
// anew from A by Cholesky's method every 1,024 updates, every 8 while rounding shows.
//
// Error: that of rounding, relative 1e-10 where A's condition number is below 1e5. Features that go
// together as far as doubles tell (a time in two units) predict within a few per cent, and of
// contexts that do not go together so, more surely than they should. Memory: 16 d^2 bytes, d being
// the features. Update: O(d^2): 100 ns for d = 5, 10 us for 64; on average O(d^3 / 8) for features
// that go together. Predict: O(d^2). FromSums, Merge: O(d^3). Units: weights are the reward's over
// the feature's.
//
//   LinearArm arm(features);
//   arm.Update(x, reward);
//   const auto [mean, variance] = arm.Predict(x);
//   arm.Merge(arm_of_another_reader);
//   auto stored = LinearArm::FromSums(upper_half_of_A, b, ridge);  // of sums that a store has
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/saturated.h"

namespace rivulet {

class LinearArm {
 public:
  static constexpr std::size_t kMaxFeatures = 64;
  static constexpr double kLeastRidge = 1e-12;
  static constexpr double kMostRidge = 1e12;
  /// Contexts and rewards with a number beyond are left out.
  static constexpr double kMostNumber = 1e30;

  struct Prediction {
    double mean = 0;
    double variance = 0;  // where a reward's own is 1
  };

  /// Of 1 to kMaxFeatures features; others are made the nearer of these, as is a ridge beyond
  /// kLeastRidge and kMostRidge; of NaN it is 1.
  explicit LinearArm(std::size_t features, double ridge = 1)
      : size_(std::clamp<std::size_t>(features, 1, kMaxFeatures)),
        ridge_(std::isnan(ridge) ? 1 : std::clamp(ridge, kLeastRidge, kMostRidge)),
        a_(size_ * size_),
        inverse_(size_ * size_),
        b_(size_),
        weights_(size_) {
    for (std::size_t i = 0; i < size_; ++i) {
      a_[i * size_ + i] = ridge_;
      inverse_[i * size_ + i] = 1 / ridge_;
    }
  }

  /// `upper`: the sum of x x' without the ridge, its upper half by rows: d(d + 1)/2 numbers for the
  /// d of `b`. Nothing where these do not fit, are not finite or have a diagonal below 0; a
  /// covariance beyond what its variances allow counts as what they do.
  static std::optional<LinearArm> FromSums(std::span<const double> upper, std::span<const double> b,
                                           double ridge) {
    if (b.empty() || b.size() > kMaxFeatures || upper.size() != HalfOf(b.size())) {
      return std::nullopt;
    }
    LinearArm arm(b.size(), ridge);
    std::size_t next = 0;
    for (std::size_t i = 0; i < arm.size_; ++i) {
      if (!(std::abs(b[i]) <= kMostSum)) return std::nullopt;
      arm.b_[i] = b[i];
      for (std::size_t j = i; j < arm.size_; ++j) {
        const double sum = upper[next++];
        if (!(std::abs(sum) <= kMostSum) || (i == j && sum < 0)) return std::nullopt;
        arm.AddToA(i, j, sum);
      }
    }
    arm.Invert();
    return arm;
  }

  /// Left out where `x` is not of features() numbers or one is NaN or beyond kMostNumber.
  void Update(std::span<const double> x, double reward) {
    if (!Fits(x) || !(std::abs(reward) <= kMostNumber)) return;
    std::vector<double> u(size_);
    double variance = 0;
    double terms = 0;  // the root of what the terms of the variance are at most
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) u[i] += inverse_[i * size_ + j] * x[j];
      variance += u[i] * x[i];
      terms += std::sqrt(inverse_[i * size_ + i]) * std::abs(x[i]);
      b_[i] = Bounded(b_[i] + reward * x[i]);
    }
    const double s = 1 + variance;
    bool sound = variance >= 0;
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = i; j < size_; ++j) {
        AddToA(i, j, x[i] * x[j]);
        const double entry = inverse_[i * size_ + j] - u[i] * u[j] / s;
        inverse_[i * size_ + j] = inverse_[j * size_ + i] = entry;
        sound = sound && std::abs(entry) * ridge_ <= kMostOfRidge && (i != j || entry > 0);
      }
    }
    updates_ = SaturatedSum(updates_, 1);
    const bool rounded = kEpsilon * terms * terms > kMostRounding * variance;
    if (!sound || updates_ % kInvertEvery == 0 ||
        (rounded && updates_ % kInvertRoundedEvery == 0)) {
      Invert();
    } else {
      SetWeights();
    }
  }

  /// As if the other's updates had come here, with the ridge of this one; of what has as many
  /// features, else nothing is done.
  void Merge(const LinearArm& other) {
    if (other.size_ != size_) return;
    for (std::size_t i = 0; i < size_; ++i) {
      b_[i] = Bounded(b_[i] + other.b_[i]);
      for (std::size_t j = i; j < size_; ++j) {
        AddToA(i, j, other.a_[i * size_ + j] - (i == j ? other.ridge_ : 0));
      }
    }
    updates_ = SaturatedSum(updates_, other.updates_);
    Invert();
  }

  /// Of a context of features() numbers; NaN of others.
  Prediction Predict(std::span<const double> x) const {
    if (!Fits(x)) return {std::nan(""), std::nan("")};
    Prediction prediction;
    for (std::size_t i = 0; i < size_; ++i) {
      prediction.mean += weights_[i] * x[i];
      double u = 0;
      for (std::size_t j = 0; j < size_; ++j) u += inverse_[i * size_ + j] * x[j];
      prediction.variance += u * x[i];
    }
    prediction.variance = std::max(prediction.variance, 0.0);
    return prediction;
  }

  std::size_t features() const { return size_; }
  double ridge() const { return ridge_; }
  std::uint64_t updates() const { return updates_; }
  /// One for each feature. Valid until the next change.
  std::span<const double> weights() const { return weights_; }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    PutUint64(&bytes, size_);
    PutUint64(&bytes, updates_);
    PutDouble(&bytes, ridge_);
    for (const double number : b_) PutDouble(&bytes, number);
    for (const std::vector<double>* matrix : {&a_, &inverse_}) {
      for (std::size_t i = 0; i < size_; ++i) {
        for (std::size_t j = i; j < size_; ++j) PutDouble(&bytes, (*matrix)[i * size_ + j]);
      }
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<LinearArm> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    auto loaded = LoadFrom(&reader);
    return reader.Finished() ? loaded : std::nullopt;
  }
  /// Likewise, of bytes that may go on.
  static std::optional<LinearArm> LoadFrom(ByteReader* reader) {
    if (reader->Uint64() != kFormat) return std::nullopt;
    const std::uint64_t size = reader->Uint64();
    const std::uint64_t updates = reader->Uint64();
    const double ridge = reader->Double();
    if (size == 0 || size > kMaxFeatures) return std::nullopt;
    if (!(ridge >= kLeastRidge && ridge <= kMostRidge)) return std::nullopt;
    LinearArm loaded(static_cast<std::size_t>(size), ridge);
    loaded.updates_ = updates;
    for (double& number : loaded.b_) {
      number = reader->Double();
      if (!(std::abs(number) <= kMostSum)) return std::nullopt;
    }
    if (!loaded.LoadMatrix(reader, kMostSum, ridge, &loaded.a_)) return std::nullopt;
    if (!loaded.LoadMatrix(reader, kMostOfRidge / ridge, 0, &loaded.inverse_)) return std::nullopt;
    loaded.SetWeights();
    return loaded;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'6d'72'61'20'6e'69'6cULL;  // "lin arm1"
  static constexpr std::uint64_t kInvertEvery = 1024;
  // Where terms of a variance take more than kMostRounding of it away, as each update does again.
  static constexpr std::uint64_t kInvertRoundedEvery = 8;
  static constexpr double kMostRounding = 1e-4;
  static constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  static constexpr double kMostSum = 1e100;
  // No entry of the inverse is above 1/ridge, but by rounding.
  static constexpr double kMostOfRidge = 1.001;

  static std::size_t HalfOf(std::size_t d) { return d * (d + 1) / 2; }
  static double Bounded(double x) { return std::clamp(x, -kMostSum, kMostSum); }

  bool Fits(std::span<const double> x) const {
    return x.size() == size_ && std::all_of(x.begin(), x.end(), [](double number) {
             return std::abs(number) <= kMostNumber;
           });
  }

  void AddToA(std::size_t i, std::size_t j, double x) {
    a_[j * size_ + i] = a_[i * size_ + j] = Bounded(a_[i * size_ + j] + x);
  }

  bool LoadMatrix(ByteReader* reader, double most, double least_square,
                  std::vector<double>* matrix) {
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = i; j < size_; ++j) {
        const double entry = reader->Double();
        if (!(std::abs(entry) <= most) || (i == j && entry < least_square)) return false;
        (*matrix)[i * size_ + j] = (*matrix)[j * size_ + i] = entry;
      }
    }
    return reader->ok();
  }

  void SetWeights() {
    for (std::size_t i = 0; i < size_; ++i) {
      weights_[i] = 0;
      for (std::size_t j = 0; j < size_; ++j) weights_[i] += inverse_[i * size_ + j] * b_[j];
    }
  }

  /// The inverse of A, and the weights. Features may be so alike, or so far apart in size, that
  /// sums in doubles have lost the ridge and A is of no inverse: then of A with as little as will
  /// do added to its diagonal, as if each feature had some noise of its own, in its own size.
  void Invert() {
    // A with a diagonal of ones: sizes of features are nothing to Cholesky's method, then.
    std::vector<double> root(size_);
    for (std::size_t i = 0; i < size_; ++i) root[i] = std::sqrt(a_[i * size_ + i]);
    std::vector<double> scaled(size_ * size_);
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) {
        // Sums of x x' have none beyond 1.
        scaled[i * size_ + j] =
            i == j ? 1 : std::clamp(a_[i * size_ + j] / root[i] / root[j], -1.0, 1.0);
      }
    }
    const double rounding = 1e-14 * static_cast<double>(size_);
    double added = 0;
    // Ends: with as much as size_ added every entry of the inverse is below 1.
    while (!InvertScaled(scaled, root, added, rounding)) {
      added = std::max(10 * added, rounding);
    }
  }

  /// By A = L L'. False, and all as it was, where a pivot is no more than what rounding makes of it
  /// or the inverse is no inverse of what has the ridge.
  bool InvertScaled(const std::vector<double>& scaled, const std::vector<double>& root,
                    double added, double rounding) {
    std::vector<double> l = scaled;
    for (std::size_t j = 0; j < size_; ++j) {
      for (std::size_t i = j; i < size_; ++i) {
        double sum = scaled[i * size_ + j] + (i == j ? added : 0);
        for (std::size_t k = 0; k < j; ++k) sum -= l[i * size_ + k] * l[j * size_ + k];
        if (i == j && !(sum >= rounding / 2)) return false;
        l[i * size_ + j] = i == j ? std::sqrt(sum) : sum / l[j * size_ + j];
      }
    }
    std::vector<double> inverse(size_ * size_);
    std::vector<double> column(size_);
    for (std::size_t c = 0; c < size_; ++c) {
      std::fill(column.begin(), column.end(), 0);
      column[c] = 1;
      SolveBoth(l, column);
      for (std::size_t i = c; i < size_; ++i) {
        const double entry = column[i] / root[i] / root[c];
        if (!(std::abs(entry) * ridge_ <= kMostOfRidge)) return false;
        inverse[i * size_ + c] = inverse[c * size_ + i] = entry;
      }
    }
    inverse_ = std::move(inverse);
    // Not by the inverse, whose rounding is many times as large where features are alike.
    for (std::size_t i = 0; i < size_; ++i) column[i] = b_[i] / root[i];
    SolveBoth(l, column);
    for (std::size_t i = 0; i < size_; ++i) weights_[i] = column[i] / root[i];
    return true;
  }

  /// L L' x = `x`, in its place.
  void SolveBoth(const std::vector<double>& l, std::span<double> x) const {
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t k = 0; k < i; ++k) x[i] -= l[i * size_ + k] * x[k];
      x[i] /= l[i * size_ + i];
    }
    for (std::size_t i = size_; i-- > 0;) {
      for (std::size_t k = i + 1; k < size_; ++k) x[i] -= l[k * size_ + i] * x[k];
      x[i] /= l[i * size_ + i];
    }
  }

  std::size_t size_;
  double ridge_;
  std::uint64_t updates_ = 0;
  std::vector<double> a_;  // by rows; likewise its inverse
  std::vector<double> inverse_;
  std::vector<double> b_;
  std::vector<double> weights_;
};

}  // namespace rivulet
