// What a start does with the files of an earlier run, so that they are as its last state says.
#pragma once

#include <string>

#include "base/status.h"
#include "journal/disk.h"
#include "ps_to_file/archive_state.h"

namespace rivulet {

/// Cuts each part file to its length, renames those that are due, whose time is over (they have
/// another time key than that) or that were `made` in another way, and removes those in which
/// nothing is. Gives the state with the parts that go on. No file that the state does not name is
/// touched. May be done again after a crash within. Blocks.
///
/// What stands behind the length is cut because it `comes_again` from the source. When it does not,
/// it is kept: whole lines in a file that goes on, anything else in one that is complete with it.
///
/// A file that is shorter than the state says (a power cut without syncs) is told in the log and
/// kept as it is, under its name.
Result<ArchiveState> Recover(ArchiveState state, const std::string& made,
                             const std::string& time_key, Disk& disk = Disk::System(),
                             bool comes_again = true);

}  // namespace rivulet
