// Time, injected. Nothing but SystemClock reads a clock; hearts take a time as an argument.
#pragma once

#include <chrono>

namespace rivulet {

using Duration = std::chrono::nanoseconds;
/// Monotonic: for deadlines, ages and rates. Never goes back, means nothing across a restart.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// Wall clock: for what people and files read. May jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

class SystemClock final : public Clock {
 public:
  MonoTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

/// A clock that moves only when told. For tests.
class FakeClock final : public Clock {
 public:
  MonoTime Now() const override { return now_; }
  WallTime WallNow() const override { return wall_; }
  /// Moves both clocks on.
  void Advance(Duration d) {
    now_ += d;
    wall_ += d;
  }
  /// Steps the wall clock alone, as an administrator or NTP does.
  void StepWall(Duration d) { wall_ += d; }

 private:
  MonoTime now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'331'923'247)};
};

}  // namespace rivulet
