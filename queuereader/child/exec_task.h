// exec:COMMAND: a task in any language, as a program that reads a JSON message a line and answers a
// line each, in order.
//
//   exec:python3 my_task.py        exec:workers=4,timeout=5s,python3 my_task.py
//
// The command is run by /bin/sh -c, `workers` (1) times; its standard error goes to our log. What
// it may answer:
//
//   {"ok":true}                                done
//   {"ok":false,"error":"why"}                 failed; with "backoff":false without a pause
//   {"drop":true}                              nothing more is done with the message, by any task
//   {"ok":true,"data":...}                     of --preprocess: what the tasks are to see
//   ... "emit":{"NAME":[MESSAGE,...]}          sent to --output=NAME (a string as it is, else JSON)
//   ... "count":{"COUNTER":N}                  added to a counter
//
// Before the command, each followed by a comma: `name`; `workers` (1 to 64); `timeout`
// (--task-timeout) for one answer, 0 for ever; `memory` (--task-memory), of each; and `state=yes`:
// the program keeps state that is part of the checkpoint. It answers the line {"_save_":true} with
// {"state":ANY}, and the line {"_load_":ANY}, the first that it gets if so, with {"ok":true}. (One
// worker only.) Its state outlives its crashes: started anew it is given its last saved state, and
// the messages that it has answered since; what it emits then is dropped, and a message that it has
// failed is among them.
//
// Several messages are written ahead, as many as take it about 50 ms, and where they are many those
// of the next batch, too (not with state=yes): a pause after a failure, and a stop, come when those
// are answered. A program may read and answer several at once; how it blames the right one for its
// end, see ChildPoolConfig::answers_each.
#pragma once

#include <string_view>

#include "base/status.h"
#include "queuereader/reader.h"
#include "queuereader/task_environment.h"

namespace rivulet {

/// `command`: what follows "exec:". Starts nothing yet. Errors name the option that is wrong.
Result<NamedTask> MakeExecTask(std::string_view command, const TaskEnvironment& environment);

}  // namespace rivulet
