// drift:field=PATH[,minus=PATH][,method=adwin]: whether a number's mean has changed. The methods:
//
//   adwin         [,delta=0.002][,range=1]            rises and falls of a number
//   page-hinkley  [,threshold=50][,tolerance=0.005]   rises of a number's mean
//   ddm                                               rises of a share of errors: the field is
//                                                     true or false, or 0 and another number
//
// With output=NAME each drift is emitted as it is found:
//
//   {"task":NAME,"time":SECONDS,"key":KEY,"drift":METHOD,"count":N,"drifts":N,"mean":X}
//
// where `key` is there with by=, `count` is how many messages of the key there were, `mean` is that
// of the values since the drift began (adwin) or up to it (the others). every=DURATION emits the
// results as well. Messages where the field is absent, of another type, or beyond 1e70 are skipped.
// See algorithms/{adwin,page_hinkley,ddm}.h for what the numbers are and how sure the answers, and
// tasks/statistic_task.h for by= and every=. Not shared: it depends on the order of the messages.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeDriftForm(TaskArgs& args);

}  // namespace rivulet
