// The status page at / : one page for all daemons, showing /stats live. No outside resource; data
// enters by textContent; a strict Content-Security-Policy.
#pragma once

#include <string>

#include "http/router.h"

namespace rivulet {

/// Adds /, /page.js and /page.css. The daemon's /stats must answer ?format=json.
/// `hosts`: names besides numeric addresses and localhost that a browser may have asked for. Others
/// are refused with 400, so that a foreign name rebound to this address reads nothing.
void AddPageRoutes(Router* router, const std::string& program,
                   const std::vector<std::string>& hosts);

}  // namespace rivulet
