#include "bridge/spool.h"

#include "bridge/disk_spool.h"

namespace rivulet {

Result<std::unique_ptr<Spool>> Spool::Open(SpoolConfig config, EventLoop& loop, const Clock& clock,
                                           std::function<void()> on_commit, Disk& disk) {
  auto spool = std::make_unique<DiskSpool>(std::move(config), loop, clock, std::move(on_commit));
  if (Status status = spool->Start(disk); !status.ok()) return status;
  return std::unique_ptr<Spool>(std::move(spool));
}

}  // namespace rivulet
