// How capacity grows with what there is more of (shards, connections, lanes): the Universal
// Scalability Law, N. J. Gunther, "Guerrilla Capacity Planning" (2007), chapter 4:
//
//   C(n) = lambda * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))
//
// lambda: what one does alone; sigma: the share of the work that cannot be done side by side;
// kappa: what each pair costs to agree. Pure functions.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>

namespace parsec::bench {

struct ScalePoint {
  double count = 0;     // of what there is more of
  double capacity = 0;  // at that count
};

struct ScalabilityLaw {
  double lambda = 0;
  double sigma = 0;
  double kappa = 0;
  /// Share of the measured capacities' variance that the law explains, at most 1.
  double r_squared = 0;
  double highest_measured = 0;

  double capacity_at(double count) const;
  /// As above, but only up to twice what was measured: beyond, a law of three numbers says nothing.
  std::optional<double> predict(double count) const;
  /// Where more of it makes it less; nullopt: nowhere.
  std::optional<double> peak() const;
};

/// Least squares of relative errors, neither sigma nor kappa below zero. Points of at least three
/// different counts are needed; the error says what is wrong with them.
std::expected<ScalabilityLaw, std::string> fit_scalability(std::span<const ScalePoint> points);

}  // namespace parsec::bench
