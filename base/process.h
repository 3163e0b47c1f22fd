// What a daemon does to its own process: working directory, user, background, pid file, limits.
#pragma once

#include <string>

#include "base/options.h"
#include "base/status.h"

namespace rivulet {

struct ProcessConfig {
  std::string root;      // chdir here first
  std::string user;      // drop to this user, after listening
  std::string group;     // and this group
  std::string pid_file;  // written after the fork, removed by RemovePidFile
  bool daemon = false;   // fork to the background
};

/// Declares --root, --user, --group, --daemon, --pid-file.
void AddProcessOptions(Options* options, ProcessConfig* config);

/// chdir, and raises the soft limit of descriptors to the hard one. Before anything is opened.
Status EnterRoot(const ProcessConfig& config);
/// Forks to the background when asked to: the parent waits until the child calls
/// AnnounceListening() (then exits 0) or dies (then exits 1), so that a shell knows whether the
/// start worked. Before any thread or event base exists.
Status Daemonize(const ProcessConfig& config);
/// Drops to user and group. After the socket is bound.
Status DropPrivileges(const ProcessConfig& config);
/// Writes the pid file. Refuses when it names another living process.
Status WritePidFile(const ProcessConfig& config);
void RemovePidFile(const ProcessConfig& config);
/// Prints "listening on WHERE" as the last start-up line and, in the background, releases the
/// parent and detaches standard input and output.
void AnnounceListening(const ProcessConfig& config, const std::string& where);

}  // namespace rivulet
