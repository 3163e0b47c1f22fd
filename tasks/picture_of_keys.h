// The picture of a statistic: of its one state, or of those of some keys side by side.
#pragma once

#include <string>

#include "tasks/local_statistics.h"
#include "tasks/statistic.h"

namespace rivulet {

/// Side by side; bars may be of more.
inline constexpr std::size_t kPicturedKeys = 30;

/// `by`: what the keys are; empty: there is one state.
std::string StatisticsPicture(const StatisticForm& form, const std::string& by,
                              const StatisticsFound& found);

}  // namespace rivulet
