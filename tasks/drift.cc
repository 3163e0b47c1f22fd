#include "tasks/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "algorithms/adwin.h"
#include "algorithms/ddm.h"
#include "algorithms/page_hinkley.h"
#include "base/json.h"
#include "base/json_field.h"

namespace rivulet {
namespace {

using Detector = std::variant<Adwin, PageHinkley, Ddm>;

DriftState UpdateDetector(Adwin& detector, double x) { return detector.Update(x); }
DriftState UpdateDetector(PageHinkley& detector, double x) { return detector.Update(x); }
DriftState UpdateDetector(Ddm& detector, double x) { return detector.Update(x != 0); }
double MeanOf(const Adwin& detector) { return detector.mean(); }
double MeanOf(const PageHinkley& detector) { return detector.mean(); }
double MeanOf(const Ddm& detector) { return detector.rate(); }

class DriftStatistic final : public Statistic {
 public:
  DriftStatistic(const std::string& method, Detector detector)
      : method_(method), detector_(std::move(detector)) {}

  void Update(const Observation& observation) override {
    const DriftState before = state();
    const DriftState now = std::visit(
        [&](auto& detector) { return UpdateDetector(detector, observation.x); }, detector_);
    if (now == DriftState::kWarning && before != DriftState::kWarning) ++warnings_;
    if (now == DriftState::kDrift) last_ = count();
  }
  std::uint64_t count() const override {
    return std::visit([](const auto& detector) { return detector.total(); }, detector_);
  }
  std::string Save() const override {
    std::string bytes;
    PutUint64(&bytes, warnings_);
    PutUint64(&bytes, last_);
    return bytes + std::visit([](const auto& detector) { return detector.Save(); }, detector_);
  }
  bool Load(std::string_view saved) override {
    ByteReader bytes(saved);
    warnings_ = bytes.Uint64();
    last_ = bytes.Uint64();
    if (!bytes.ok()) return false;
    return std::visit(
        [&](auto& detector) {
          auto loaded = std::decay_t<decltype(detector)>::Load(saved.substr(16));
          if (loaded) detector = std::move(*loaded);
          return loaded.has_value();
        },
        detector_);
  }
  void Summarize(Summary& summary) const override {
    summary.Text("state", DriftStateName(state()));
    summary.Count("drifts", drifts());
    summary.Count("warnings", warnings_);
    summary.Count("last_drift", last_);
    summary.Number("mean", mean());
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, count(), DriftStateName(state()), drifts(), warnings_, last_, mean()});
  }
  std::string Event() const override {
    if (state() != DriftState::kDrift) return {};
    std::string json = fmt::format("\"drift\":\"{}\",\"count\":{},\"drifts\":{},\"mean\":", method_,
                                   count(), drifts());
    AppendJsonNumber(&json, mean());
    return json;
  }

 private:
  DriftState state() const {
    return std::visit([](const auto& detector) { return detector.state(); }, detector_);
  }
  std::uint64_t drifts() const {
    return std::visit([](const auto& detector) { return detector.drifts(); }, detector_);
  }
  double mean() const {
    return std::visit([](const auto& detector) { return MeanOf(detector); }, detector_);
  }

  const std::string& method_;
  Detector detector_;
  std::uint64_t warnings_ = 0;
  std::uint64_t last_ = 0;  // the count at the last drift; 0: there was none
};

class DriftForm final : public StatisticForm {
 public:
  explicit DriftForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        minus_(args.Text("minus")),
        method_(args.Text("method", "adwin")),
        reader_(field_) {
    if (method_ == "adwin") {
      adwin_.delta = args.Number("delta", adwin_.delta, 1e-12, 0.5);
      adwin_.range = args.Number("range", adwin_.range, 1e-12, 1e12);
      options_ = fmt::format(",delta={},range={}", adwin_.delta, adwin_.range);
    } else if (method_ == "page-hinkley") {
      page_hinkley_.threshold = args.Number("threshold", page_hinkley_.threshold, 1e-12, 1e12);
      page_hinkley_.tolerance = args.Number("tolerance", page_hinkley_.tolerance, 0, 1e12);
      options_ = fmt::format(",threshold={},tolerance={}", page_hinkley_.threshold,
                             page_hinkley_.tolerance);
    } else if (method_ != "ddm") {
      args.Fail("method=" + method_ + " must be adwin, page-hinkley or ddm");
    }
  }

  std::string_view format() const override { return "drift 1"; }
  std::string arguments() const override {
    return fmt::format("field={}{}{},method={}{}", field_, minus_.empty() ? "" : ",minus=", minus_,
                       method_, options_);
  }
  std::string title() const override { return "drift of " + field_; }
  bool Read(const Message& message, Observation* observation) override {
    if (const auto x = NumberOf(message, field_, minus_)) {
      observation->x = *x;
      return std::abs(*x) <= kGreatestSummed;
    }
    if (method_ != "ddm" || !minus_.empty()) return false;
    if (message.Text(field_)) return false;
    if (reader_.Read(message.text()) != JsonFieldReader::Found::kText) return false;
    observation->x = reader_.text() == "true" ? 1 : 0;
    return reader_.text() == "true" || reader_.text() == "false";
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    Detector detector{Adwin(adwin_)};
    if (method_ == "page-hinkley") detector = PageHinkley(page_hinkley_);
    if (method_ == "ddm") detector = Ddm();
    return std::make_shared<DriftStatistic>(method_, std::move(detector));
  }
  std::vector<std::string> columns() const override {
    return {"count", "state", "drifts", "warnings", "last_drift", "mean"};
  }
  bool has_events() const override { return true; }
  bool has_pictures() const override { return false; }
  std::string not_shared() const override {
    return "drift depends on the order of the messages, which readers do not share";
  }

 private:
  std::string field_;
  std::string minus_;  // empty: nothing is taken off
  std::string method_;
  std::string options_;
  AdwinOptions adwin_;
  PageHinkleyOptions page_hinkley_;
  JsonFieldReader reader_;
};

}  // namespace

std::unique_ptr<StatisticForm> MakeDriftForm(TaskArgs& args) {
  return std::make_unique<DriftForm>(args);
}

}  // namespace rivulet
