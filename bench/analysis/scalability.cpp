// The law turned round is linear: n / C(n) = a + b (n - 1) + c n (n - 1), with a = 1 / lambda,
// b = sigma / lambda, c = kappa / lambda. Weighting each point with C(n) / n makes its error a
// relative one. Where b or c comes out below zero, the best without it is taken.
#include "bench/analysis/scalability.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace parsec::bench {

namespace {

using Terms = std::array<double, 3>;

Terms terms_of(double count) { return {1, count - 1, count * (count - 1)}; }

/// The coefficients of the terms in `used` that fit best; the others are 0. nullopt: not unique.
std::optional<Terms> fit(std::span<const ScalePoint> points, const std::vector<std::size_t>& used) {
  const std::size_t size = used.size();
  std::array<std::array<double, 4>, 3> rows{};  // normal equations, the right side last
  for (const ScalePoint& point : points) {
    const double weight = point.capacity / point.count;
    const Terms terms = terms_of(point.count);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t k = 0; k < size; ++k) {
        rows[i][k] += weight * weight * terms[used[i]] * terms[used[k]];
      }
      rows[i][3] += weight * terms[used[i]];  // weight * (n / C) is 1
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    const auto below = rows.begin() + static_cast<std::ptrdiff_t>(size);
    const auto pivot = std::max_element(
        rows.begin() + static_cast<std::ptrdiff_t>(i), below,
        [i](const auto& a, const auto& b) { return std::abs(a[i]) < std::abs(b[i]); });
    std::iter_swap(rows.begin() + static_cast<std::ptrdiff_t>(i), pivot);
    if (std::abs(rows[i][i]) < 1e-12) return std::nullopt;
    for (std::size_t k = 0; k < size; ++k) {
      if (k == i) continue;
      const double factor = rows[k][i] / rows[i][i];
      for (std::size_t column = i; column < 4; ++column)
        rows[k][column] -= factor * rows[i][column];
    }
  }
  Terms coefficients{};
  for (std::size_t i = 0; i < size; ++i) coefficients[used[i]] = rows[i][3] / rows[i][i];
  return coefficients;
}

double squared_error(std::span<const ScalePoint> points, const Terms& coefficients) {
  double sum = 0;
  for (const ScalePoint& point : points) {
    const Terms terms = terms_of(point.count);
    double turned = 0;
    for (std::size_t i = 0; i < 3; ++i) turned += coefficients[i] * terms[i];
    const double error = turned * point.capacity / point.count - 1;
    sum += error * error;
  }
  return sum;
}

double explained(std::span<const ScalePoint> points, const ScalabilityLaw& law) {
  double mean = 0;
  for (const ScalePoint& point : points)
    mean += point.capacity / static_cast<double>(points.size());
  double left = 0, all = 0;
  for (const ScalePoint& point : points) {
    left += std::pow(point.capacity - law.capacity_at(point.count), 2);
    all += std::pow(point.capacity - mean, 2);
  }
  return all == 0 ? 1 : 1 - left / all;
}

}  // namespace

double ScalabilityLaw::capacity_at(double count) const {
  return lambda * count / (1 + sigma * (count - 1) + kappa * count * (count - 1));
}

std::optional<double> ScalabilityLaw::predict(double count) const {
  if (count > 2 * highest_measured) return std::nullopt;
  return capacity_at(count);
}

std::optional<double> ScalabilityLaw::peak() const {
  if (kappa <= 0) return std::nullopt;
  return std::sqrt(std::max(0.0, 1 - sigma) / kappa);
}

std::expected<ScalabilityLaw, std::string> fit_scalability(std::span<const ScalePoint> points) {
  std::set<double> counts;
  for (const ScalePoint& point : points) {
    if (!(point.count >= 1) || !(point.capacity > 0)) {
      return std::unexpected("a point of a scaling series needs a count from 1 and some capacity");
    }
    counts.insert(point.count);
  }
  if (counts.size() < 3) {
    return std::unexpected("a scaling series needs at least three different counts");
  }
  Terms best{};
  double least = std::numeric_limits<double>::infinity();
  const std::vector<std::vector<std::size_t>> choices{{0, 1, 2}, {0, 1}, {0, 2}, {0}};
  for (const auto& used : choices) {
    const auto found = fit(points, used);
    if (!found || (*found)[0] <= 0 || (*found)[1] < 0 || (*found)[2] < 0) continue;
    const double error = squared_error(points, *found);
    if (error >= least) continue;
    best = *found;
    least = error;
  }
  ScalabilityLaw law{.lambda = 1 / best[0],
                     .sigma = best[1] / best[0],
                     .kappa = best[2] / best[0],
                     .highest_measured = *counts.rbegin()};
  law.r_squared = explained(points, law);
  return law;
}

}  // namespace parsec::bench
