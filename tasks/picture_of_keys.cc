#include "tasks/picture_of_keys.h"

#include <algorithm>

#include "tasks/svg.h"

namespace rivulet {
namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 400;
constexpr std::size_t kSmall = 12;  // side by side
constexpr std::size_t kColumns = 3;
constexpr double kSmallWidth = kWidth / kColumns;
constexpr double kSmallHeight = 180;
constexpr double kCaption = 20;

std::string Note(const std::string& title, const std::string& text) {
  SvgPicture picture(title, kWidth, SvgPicture::kTop + 30);
  picture.Text(10, SvgPicture::kTop + 16, text, {.fill = SvgPicture::kPale});
  return std::move(picture).Finish();
}

std::string SmallMultiples(const StatisticForm& form, const std::string& title,
                           const std::vector<KeyedStatistic>& states) {
  const std::size_t count = std::min(kSmall, states.size());
  const std::size_t rows = (count + kColumns - 1) / kColumns;
  SvgPicture picture(title, kWidth,
                     SvgPicture::kTop + static_cast<double>(rows) * (kSmallHeight + kCaption) + 10);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i / kColumns;
    const SvgBox box{
        static_cast<double>(i % kColumns) * kSmallWidth,
        SvgPicture::kTop + static_cast<double>(row) * (kSmallHeight + kCaption) + kCaption,
        kSmallWidth, kSmallHeight};
    picture.Text(box.left + 10, box.top - 5, ShownKey(states[i].key), {.characters = 28});
    form.Plot(picture, box, *states[i].statistic);
  }
  return std::move(picture).Finish();
}

}  // namespace

std::string StatisticsPicture(const StatisticForm& form, const std::string& by,
                              const StatisticsFound& found) {
  const std::string title = form.title() + (by.empty() ? "" : " by " + by);
  if (!found.trouble.empty()) return Note(title, found.trouble);
  if (!by.empty()) {
    if (found.states.empty()) return Note(title, "nothing yet");
    if (auto picture = form.PictureOfKeys(title, found.states)) return *std::move(picture);
    return SmallMultiples(form, title, found.states);
  }
  if (found.states.empty() || found.count == 0) return Note(title, "nothing yet");
  const Statistic& statistic = *found.states.front().statistic;
  if (auto picture = form.PictureOf(statistic)) return *std::move(picture);
  SvgPicture picture(title, kWidth, kHeight);
  form.Plot(picture, {0, SvgPicture::kTop, kWidth, kHeight - SvgPicture::kTop - 6}, statistic);
  return std::move(picture).Finish();
}

}  // namespace rivulet
