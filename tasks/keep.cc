#include "tasks/keep.h"

#include <limits>

namespace rivulet {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

KeepTask::KeepTask(TaskArgs& args)
    : field_(args.RequiredText("field")),
      above_(args.Number("above", -kInfinity, -kInfinity, kInfinity)),
      below_(args.Number("below", kInfinity, -kInfinity, kInfinity)) {
  if (above_ == -kInfinity && below_ == kInfinity) args.Fail("needs above=NUMBER or below=NUMBER");
  if (!(above_ < below_)) {
    args.Fail("above=" + args.Text("above") + " must be less than below=" + args.Text("below"));
  }
}

}  // namespace rivulet
