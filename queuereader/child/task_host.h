// Tasks in a process of their own (--isolate): the child's side and ours.
//
// The child is the same program, started as `PROGRAM --task-host`, with pipes at descriptors 3 and
// 4 (it moves them above 10 first, out of the way of a task that closes what it finds). Both speak
// frames (base/frames.h): `BYTES\n`, a letter and what belongs to it, `\n`. FRAMED is a frame
// within one.
//
//   to the child                          from the child
//   I FRAMED spec, name, output…          K {"batch":N,"state":bool,"views":[…]}, or X why not
//   M number tries started id\n data      E output\n message, C by counter, L line, H (below), then
//                                         O number letter why-or-data
//   S                                     S saved bytes, or X
//   L bytes                               K, or X why
//   U                                     U summary (queuereader/child/task_host_summary.h), or X
//   V view                                V type\n body, or X
//   R answer                              B and Q, while it is asked anything: requests of the
//                                         store (queuereader/child/store_frames.h)
//
// Before a message is run all that was answered is written, so that the first message without an
// answer is the one that ended the child (of a task that takes batches: one of the batch).
//
// A task that has Save() loses nothing when its child crashes: the child's state is saved after
// some 1000 messages, and the messages since then are run again in the new child before the next
// one, without what they emitted, and with what the store had answered. One without Save() begins
// anew, as it would in a new process. That there is something to save is told by the child: at its
// start, or by H with the first message after which there is.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "queuereader/task.h"
#include "queuereader/task_environment.h"
#include "queuereader/task_registry.h"

namespace rivulet {

inline constexpr char kTaskHostArgument[] = "--task-host";

/// The child's main(): serves until its input ends. The exit status.
int RunTaskHost(const TaskRegistry& registry);

/// Our side: a task that runs `spec` in a child. Starts it, so that what is wrong with the spec is
/// told now.
Result<NamedTask> MakeIsolatedTask(std::string_view spec, const std::string& name,
                                   const TaskEnvironment& environment);

}  // namespace rivulet
