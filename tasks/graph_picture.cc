#include "tasks/graph_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <vector>

#include "tasks/svg.h"

namespace rivulet {
namespace {

constexpr double kWidth = 960;
constexpr double kTop = 56;
constexpr double kRow = 26;
constexpr double kColumn = 330;  // what names beside the columns have
constexpr std::size_t kColumnCharacters = 40;
constexpr double kRadius = 240;
constexpr std::size_t kCircleCharacters = 30;

struct Point {
  double x = 0;
  double y = 0;
};

class Drawing {
 public:
  Drawing(const Graph& graph, bool directed)
      : graph_(graph),
        directed_(directed),
        out_(graph.NodeWeights(Graph::Direction::kOut)),
        in_(graph.NodeWeights(Graph::Direction::kIn)),
        scale_(graph.scale(graph.latest())) {
    for (const GraphEdge& edge : graph.edges()) greatest_ = std::max(greatest_, edge.weight);
  }

  std::string Draw(std::string_view title) {
    bool columns = directed_;
    for (std::size_t i = 0; i < out_.size(); ++i)
      columns = columns && (out_[i] == 0 || in_[i] == 0);
    std::string body;
    if (graph_.node_count() == 0) {
      body = "<text x=\"10\" y=\"56\" fill=\"#666666\">nothing yet</text>\n";
    } else if (columns) {
      DrawColumns(&body);
    } else {
      DrawCircle(&body);
    }
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" "
        "role=\"img\">\n<title>{2}</title>\n"
        "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n"
        "<text x=\"10\" y=\"24\" font-size=\"15\" fill=\"#222222\">{2}</text>\n{3}</svg>\n",
        kWidth, height_, SvgEscaped(title, 100), body);
  }

 private:
  /// Nodes of a weight, the strongest first.
  std::vector<GraphNode> Strongest(const std::vector<double>& weights) const {
    std::vector<GraphNode> nodes;
    for (GraphNode node = 0; node < weights.size(); ++node) {
      if (weights[node] > 0) nodes.push_back(node);
    }
    std::stable_sort(nodes.begin(), nodes.end(),
                     [&](GraphNode a, GraphNode b) { return weights[a] > weights[b]; });
    return nodes;
  }
  double Thickness(double weight) const { return 1 + 9 * std::sqrt(weight / greatest_); }
  static double Size(double weight, double greatest) {
    return 3 + 7 * std::sqrt(weight / greatest);
  }

  void Text(std::string* body, Point at, std::string_view anchor, std::string_view text,
            std::size_t characters, std::string_view fill) const {
    fmt::format_to(std::back_inserter(*body),
                   "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n",
                   at.x, at.y + 4, anchor, fill, SvgEscaped(text, characters));
  }
  void Edge(std::string* body, const GraphEdge& edge, std::string_view path) const {
    fmt::format_to(std::back_inserter(*body),
                   "<path d=\"{}\" fill=\"none\" stroke=\"#2a6fb0\" stroke-opacity=\"0.45\" "
                   "stroke-width=\"{:.1f}\"><title>{} \u2192 {}: {}</title></path>\n",
                   path, Thickness(edge.weight), SvgEscaped(graph_.name(edge.from), 200),
                   SvgEscaped(graph_.name(edge.to), 200), ShortNumber(edge.weight * scale_));
  }

  void DrawColumns(std::string* body) {
    std::vector<Point> places(graph_.node_count());
    const std::vector<GraphNode> left = Strongest(out_);
    const std::vector<GraphNode> right = Strongest(in_);
    const double rows = static_cast<double>(std::max(left.size(), right.size()));
    height_ = kTop + rows * kRow + 10;
    const auto place = [&](const std::vector<GraphNode>& nodes, double x) {
      const double step = rows * kRow / static_cast<double>(nodes.size());
      double y = kTop + step / 2;
      for (const GraphNode node : nodes) {
        places[node] = {x, y};
        y += step;
      }
    };
    place(left, kColumn);
    place(right, kWidth - kColumn);
    constexpr double kMiddle = kWidth / 2;
    for (const GraphEdge& edge : graph_.TopEdges(graph_.edge_count())) {
      const Point a = places[edge.from];
      const Point b = places[edge.to];
      Edge(body, edge,
           fmt::format("M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", a.x, a.y,
                       kMiddle, a.y, kMiddle, b.y, b.x, b.y));
    }
    for (const GraphNode node : left) Label(body, node, places[node], out_[node], -1);
    for (const GraphNode node : right) Label(body, node, places[node], in_[node], 1);
  }
  void Label(std::string* body, GraphNode node, Point at, double weight, int side) const {
    fmt::format_to(std::back_inserter(*body),
                   "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"#2a6fb0\"/>\n", at.x, at.y);
    const std::string text = SvgEscaped(graph_.name(node), kColumnCharacters);
    const std::string count = ShortNumber(weight * scale_);
    const std::string grey = fmt::format("<tspan fill=\"#888888\">{}</tspan>", count);
    fmt::format_to(
        std::back_inserter(*body),
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"#222222\">{}</text>\n",
        at.x + side * 10, at.y + 4, side < 0 ? "end" : "start",
        side < 0 ? text + "  " + grey : grey + "  " + text);
  }

  void DrawCircle(std::string* body) {
    const std::size_t nodes = graph_.node_count();
    const double radius = std::max(kRadius, static_cast<double>(nodes) * 7);
    const Point centre{kWidth / 2, kTop + radius + 30};
    height_ = centre.y + radius + 40;
    std::vector<double> weights(nodes);
    for (std::size_t i = 0; i < nodes; ++i) weights[i] = out_[i] + in_[i];
    const std::vector<GraphNode> order = Strongest(weights);
    std::vector<double> angles(nodes);
    std::vector<Point> places(nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
      // From the left, where a name has room.
      const double angle =
          2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(nodes) +
          std::numbers::pi;
      angles[order[i]] = angle;
      places[order[i]] = {centre.x + radius * std::cos(angle), centre.y + radius * std::sin(angle)};
    }
    for (const GraphEdge& edge : graph_.TopEdges(graph_.edge_count())) {
      CircleEdge(body, edge, places[edge.from], places[edge.to], angles[edge.from], centre);
    }
    for (const GraphNode node : order) {
      const double size = Size(weights[node], weights[order[0]]);
      const Point at = places[node];
      fmt::format_to(std::back_inserter(*body),
                     "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"#2a6fb0\"/>\n", at.x,
                     at.y, size);
      const double sine = std::sin(angles[node]);
      const double cosine = std::cos(angles[node]);
      const Point text{at.x + (size + 6) * cosine, at.y + (size + 8) * sine};
      const std::string_view anchor = cosine < -0.2 ? "end" : cosine > 0.2 ? "start" : "middle";
      Text(body, text, anchor, graph_.name(node), kCircleCharacters, "#222222");
    }
  }
  void CircleEdge(std::string* body, const GraphEdge& edge, Point a, Point b, double angle,
                  Point centre) const {
    if (edge.from == edge.to) {
      // A loop that points inwards.
      const double turn = 0.8;
      const auto ear = [&](double by) {
        return Point{a.x - 90 * std::cos(angle + by), a.y - 90 * std::sin(angle + by)};
      };
      const Point c = ear(turn);
      const Point d = ear(-turn);
      Edge(body, edge,
           fmt::format("M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", a.x, a.y, c.x,
                       c.y, d.x, d.y, a.x, a.y));
      return;
    }
    // Bent to the left of its way, so that there and back are two; towards the centre, as chords.
    const Point middle{(a.x + b.x) / 2, (a.y + b.y) / 2};
    const Point bend{middle.x * 0.6 + centre.x * 0.4 + (b.y - a.y) * 0.12,
                     middle.y * 0.6 + centre.y * 0.4 - (b.x - a.x) * 0.12};
    Edge(body, edge,
         fmt::format("M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}", a.x, a.y, bend.x, bend.y, b.x,
                     b.y));
    if (!directed_) return;
    // An arrow's head, a third of the way before the end of the curve.
    const double t = 0.72;
    const auto at = [&](double s) {
      return Point{(1 - s) * (1 - s) * a.x + 2 * (1 - s) * s * bend.x + s * s * b.x,
                   (1 - s) * (1 - s) * a.y + 2 * (1 - s) * s * bend.y + s * s * b.y};
    };
    const Point tip = at(t);
    const Point before = at(t - 0.02);
    const double length = std::hypot(tip.x - before.x, tip.y - before.y);
    if (!(length > 0)) return;
    const double size = 5 + Thickness(edge.weight) * 0.8;
    const Point along{(tip.x - before.x) / length * size, (tip.y - before.y) / length * size};
    fmt::format_to(std::back_inserter(*body),
                   "<polygon points=\"{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\" "
                   "fill=\"#2a6fb0\"/>\n",
                   tip.x + along.x, tip.y + along.y, tip.x - along.x / 2 - along.y * 0.7,
                   tip.y - along.y / 2 + along.x * 0.7, tip.x - along.x / 2 + along.y * 0.7,
                   tip.y - along.y / 2 - along.x * 0.7);
  }

  const Graph& graph_;
  const bool directed_;
  const std::vector<double> out_;
  const std::vector<double> in_;
  const double scale_;
  double greatest_ = 0;
  double height_ = 100;
};

}  // namespace

std::string GraphSvg(std::string_view title, const Graph& graph, bool directed) {
  return Drawing(graph, directed).Draw(title);
}

}  // namespace rivulet
