// The status page at / and its parts below /page/: pubsub and simplequeue have one of their own,
// all other daemons show the numbers of /stats. What a browser gets are the files of http/page/,
// built into the program. No outside resource; a strict Content-Security-Policy.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/router.h"

namespace rivulet {

/// A file that a page loads, for as long as the program runs.
struct PageAsset {
  std::string_view path;  // "/page/common.js"
  std::string_view content_type;
  std::string_view content;
};
std::span<const PageAsset> PageAssets();

/// The HTML of `program`'s page.
std::string PageHtml(std::string_view program);

/// The HTML of the page of a reader's tasks, at /tasks. What it shows is /tasks?format=json.
std::string TasksPageHtml(std::string_view program);

/// The HTML of the page of a bandit's arms, at /arms. What it shows is /arms?format=json.
std::string ArmsPageHtml(std::string_view program);

/// Whether a browser that was given this Host reaches us and nobody else: a numeric address,
/// localhost, or one of `hosts`; with or without a port.
bool IsOwnHost(std::string_view host, const std::vector<std::string>& hosts);

/// Answers with a page, under the pages' policy; with 400 where the Host is not ours, as below.
void ServePage(const Request& request, Reply& reply, std::string_view html,
               const std::vector<std::string>& hosts);

/// Adds / and the parts. The daemon's /stats must answer ?format=json.
/// `hosts`: names besides numeric addresses and localhost that a browser may have asked for. Others
/// are refused with 400, so that a foreign name rebound to this address reads nothing.
void AddPageRoutes(Router* router, const std::string& program,
                   const std::vector<std::string>& hosts);

}  // namespace rivulet
