// The words that generated clicks are made of. All invented, but for the names of real places and
// time zones.
#pragma once

#include <array>

namespace rivulet::clicks {

/// Where a click comes from. `weight` is relative.
struct Place {
  const char* country;
  const char* time_zone;
  const char* region;
  const char* city;
  double latitude;
  double longitude;
  double weight;
};

inline constexpr std::array kPlaces{
    Place{"US", "America/New_York", "NY", "Albany", 42.6512, -73.7550, 210},
    Place{"US", "America/New_York", "VT", "Burlington", 44.4759, -73.2121, 150},
    Place{"US", "America/New_York", "VA", "Roanoke", 37.2710, -79.9414, 110},
    Place{"US", "America/Chicago", "IA", "Dubuque", 42.5006, -90.6646, 90},
    Place{"US", "America/Chicago", "TX", "Lubbock", 33.5779, -101.8552, 80},
    Place{"US", "America/Denver", "CO", "Pueblo", 38.2544, -104.6091, 60},
    Place{"US", "America/Los_Angeles", "CA", "Fresno", 36.7378, -119.7871, 95},
    Place{"US", "America/Los_Angeles", "OR", "Salem", 44.9429, -123.0351, 45},
    Place{"GB", "Europe/London", "H9", "Norwich", 52.6309, 1.2974, 34},
    Place{"CA", "America/Toronto", "ON", "Guelph", 43.5448, -80.2482, 30},
    Place{"JP", "Asia/Tokyo", "22", "Hamamatsu", 34.7108, 137.7261, 24},
    Place{"DE", "Europe/Berlin", "07", "Bielefeld", 52.0302, 8.5325, 22},
    Place{"BR", "America/Sao_Paulo", "27", "Sorocaba", -23.5015, -47.4526, 18},
    Place{"ES", "Europe/Madrid", "54", "Huelva", 37.2614, -6.9447, 16},
    Place{"AU", "Australia/Sydney", "02", "Orange", -33.2839, 149.0999, 12},
    Place{"NL", "Europe/Amsterdam", "06", "Tilburg", 51.5555, 5.0913, 10},
};

/// A text with its relative weight.
struct Weighted {
  const char* text;
  double weight;
};

inline constexpr std::array kReferrers{
    Weighted{"direct", 46},
    Weighted{"http://social.example.com/feed", 22},
    Weighted{"http://short.example.net/", 15},
    Weighted{"http://news.example.org/science", 7},
    Weighted{"http://search.example.com/results?q=tide+tables", 5},
    Weighted{"http://town.example.us/links.html", 3},
    Weighted{"http://m.social.example.com/", 2},
};

inline constexpr std::array kAgents{
    Weighted{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Sample/118.0", 44},
    Weighted{"Mozilla/5.0 (Macintosh; Intel Mac OS X 13_5) Sample/17.0", 25},
    Weighted{"Mozilla/5.0 (Linux; Android 13) Sample/115.0 Mobile", 18},
    Weighted{"Mozilla/5.0 (X11; Linux x86_64) Sample/102.0", 7},
    Weighted{"LinkChecker/2.4 (+http://robots.example.com/)", 6},
};

inline constexpr std::array kLanguages{
    Weighted{"en-US,en;q=0.8", 55}, Weighted{"en-US", 20},
    Weighted{"en-GB,en;q=0.6", 6},  Weighted{"ja", 3},
    Weighted{"de-DE,de;q=0.9", 3},  Weighted{"", 13},  // sent none
};

inline constexpr std::array kShortHosts{Weighted{"1.go.example", 80}, Weighted{"go.example", 12},
                                        Weighted{"tide.example", 8}};

inline constexpr std::array kLogins{Weighted{"harbourmaster", 30}, Weighted{"anonymous", 28},
                                    Weighted{"observatory", 20}, Weighted{"fieldnotes", 14},
                                    Weighted{"parkranger", 8}};

inline constexpr std::array kOffices{"tides", "parks", "weather", "health", "census", "space"};
inline constexpr std::array kSubjects{"spring-flood",  "comet-season", "bird-count",  "trail-map",
                                      "water-quality", "vaccination",  "wind-report", "star-chart",
                                      "night-sky",     "river-gauge"};

}  // namespace rivulet::clicks
